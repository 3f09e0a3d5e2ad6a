"""Time zone names."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from engine.spec.nodes import Node
from engine.spec.report import near
from engine.spec.values import Scope


def judge_zone(node: Node | None, name: str, scope: Scope) -> None:
    """Report a name that the tz database does not have."""
    if node is None or not name or is_zone(name):
        return
    hint = near(name, available_timezones()) or " - write one like Europe/Berlin"
    scope.report.error(node, "unknown-zone", f"unknown time zone '{name}'{hint}")


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
