"""`usual:` - what a measure is held against by `below_usual_by` and `above_usual_by`: the entity's own past."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from engine.model import DAY_MS, WEEK_MS
from engine.ports import As
from engine.spec.departures import PEERS, USUAL, Departs, UsualSpec
from engine.spec.nodes import Node, ScalarNode
from engine.spec.reading import read
from engine.spec.types import AllOf, AnyOf, ConditionSpec, MeasureSpec
from engine.spec.values import shown
from engine.spec.world import World

BY_USUAL = ("above_usual_by", "below_usual_by")
# How long a calendar period is; a month is taken for thirty days.
LENGTHS_MS = {
    **{f"{hours}h": hours * 3_600_000 for hours in (1, 2, 3, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "1w": WEEK_MS,
    "1mo": 30 * DAY_MS,
}
# Of one measure of one entity, so that its memory stays small.
MOST_PERIODS = 1_000
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_SPREADS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*sd")

Same = Literal["weekday", "hour", "hour_of_week", "any"]


class UsualDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual, as it is written."""

    looking_back: Annotated[int, As.DURATION, "how much of the past says what is usual"] = 0
    same: Annotated[Same | None, "which past periods a period is held against: those of the same weekday, hour ..."] = (
        None
    )
    needs: Annotated[int, As.COUNT, "how many such periods have to be known before anything is said"] = 4


def read_usual(node: Node | None, world: World) -> UsualSpec:
    """With the defaults where it is not written, or wrong and reported."""
    if node is None:
        return UsualSpec()
    written = read(node, UsualDocument, world.scope)
    if written is None:
        return UsualSpec()
    document = written.value
    return UsualSpec(looking_back_ms=document.looking_back, same=document.same or "", needs=document.needs)


def departs(measure: str, key: ScalarNode, node: Node, periods: int, world: World) -> Departs | None:
    """`below_usual_by: 40%`, `above_usual_by: 3sd`, or the same by what is usual among peers."""
    text = node.text if isinstance(node, ScalarNode) else ""
    share, spreads = _PERCENT.fullmatch(text), _SPREADS.fullmatch(text)
    side: Literal["above", "below"] = "above" if key.text.startswith("above") else "below"
    found = Departs(measure=measure, side=side, in_a_row=max(1, periods), against=against_of(key))
    if share and (0 < float(share[1]) <= 100 or (side == "above" and float(share[1]) > 0)):
        return msgspec.structs.replace(found, share=round(float(share[1]) / 100, 12))
    if spreads and float(spreads[1]) > 0:
        return msgspec.structs.replace(found, spreads=float(spreads[1]))
    message = f"{shown(node)} says nothing here - write a part of what is usual, as in 40%, or spreads of it, as in 3sd"
    world.report.error(node, f"bad-{found.against}", message)
    return None


def against_of(key: ScalarNode) -> Literal["usual", "peers"]:
    """What a comparison like `below_peers_by` holds against."""
    return "peers" if key.text.endswith("_peers_by") else "usual"


def departures_of(conditions: Iterator[ConditionSpec] | tuple[ConditionSpec, ...]) -> Iterator[Departs]:
    """Every comparison with what is usual in these conditions."""
    for condition in conditions:
        if isinstance(condition, Departs):
            yield condition
        elif isinstance(condition, AllOf | AnyOf):
            yield from departures_of(condition.parts)


def usual_names(conditions: tuple[ConditionSpec, ...]) -> frozenset[str]:
    """What texts may call the usual values, of the entity or its peers, of the measures that are held against them."""
    prefixes = {"usual": USUAL, "peers": PEERS}
    return frozenset(prefixes[found.against] + found.measure for found in departures_of(conditions))


def judge_usual(
    node: Node | None,
    spec: UsualSpec,
    conditions: tuple[ConditionSpec, ...],
    measures: Mapping[str, MeasureSpec],
    world: World,
) -> None:
    """Report what cannot take effect: a block that no comparison reads, a look back that can never be enough."""
    held = {found.measure for found in departures_of(conditions) if found.against == "usual"}
    if node is None or world.report.errors:
        return
    if not held:
        message = "nothing is held against it - write below_usual_by or above_usual_by under 'when'"
        world.report.error(node, "no-effect", message)
    for name in sorted(held & measures.keys()):
        _judge_memory(node, spec, measures[name], world)


def _judge_memory(node: Node, spec: UsualSpec, measure: MeasureSpec, world: World) -> None:
    remembered = remembered_of(spec, measure.period)
    alike = remembered // kinds_of(same_of(spec, measure.period), measure.period)
    if remembered > MOST_PERIODS:
        message = f"that is {remembered} periods of {measure.period}, and {MOST_PERIODS} are the most - look back less"
        world.report.error(node, "bad-usual", message)
    elif alike < spec.needs:
        message = f"{alike} such periods of '{measure.name}' are looked back on, and {spec.needs} are needed"
        world.report.error(node, "bad-usual", message)


def remembered_of(spec: UsualSpec, period: str) -> int:
    """How many periods are looked back on; where the author does not say, enough to know each kind of them well."""
    usual_ms = {"1d": 8 * WEEK_MS, "1w": 26 * WEEK_MS, "1mo": 12 * LENGTHS_MS["1mo"]}.get(period, 4 * WEEK_MS)
    return (spec.looking_back_ms or usual_ms) // LENGTHS_MS[period]


def same_of(spec: UsualSpec, period: str) -> str:
    """Which periods are alike; where the author does not say, the length of a period does."""
    return spec.same or ("weekday" if period == "1d" else "hour" if period.endswith("h") else "any")


def kinds_of(same: str, period: str) -> int:
    """How many kinds of such periods there are."""
    per_day = max(1, DAY_MS // LENGTHS_MS[period])
    days = 7 if LENGTHS_MS[period] <= DAY_MS else 1
    return {"weekday": days * per_day, "hour": per_day, "hour_of_week": days * per_day}.get(same, 1)
