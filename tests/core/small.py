"""The smallest project on disk, opened as the local shell opens it."""

from __future__ import annotations

from pathlib import Path

from engine.shells.partition import Partition
from engine.shells.store import Store
from engine.shells.wiring import load_configuration, plan_of

PROJECT = """
project: small
entities: {customer: customer}
streams: {usage: {from: usage.jsonl, events: [login, order, left]}}
sinks: {console: {kind: stdout}}
channels: {desk: console}
"""
PLAY = "{play: call, to: owner, channel: desk, class: service, tier: 3, owner: a, title: t, text: t}"


def partition(folder: Path, detectors: str, project: str = "", play: str = PLAY, whole: str = PROJECT) -> Partition:
    """A partition over `folder`/state, with detectors, the `whole` project file or further keys of it, and a play."""
    config = folder / "config"
    for name, text in (("beforehand", whole + project), ("detectors/d", detectors), ("playbooks/p", play)):
        path = config / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Partition(Store(folder / "state"), plan_of(load_configuration(config)))
