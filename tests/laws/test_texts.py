"""Scored texts and messages that are alike come to the same in batches of any size, by either way, after a restart."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.core.chain import Chain
from engine.core.express import Express
from engine.core.models.text import places_of
from engine.core.plan import Plan
from engine.core.route import Router, Row
from engine.core.scoring import scorer_of
from engine.model import DeadLetter
from engine.spec.scoring import TextSpec
from engine.spec.types import EntitySpec, StreamSpec
from tests.core.restarts import Disk
from tests.core.worlds import MONDAY, compare, detector, planned, watch

MINUTE = 60_000
SAID = ("thank you, wonderful", "this is terrible", "terrible, the printer is broken", "broken printers", "where?", "")
WEIGHTS = dict.fromkeys(places_of("thank you, wonderful"), 0.6) | dict.fromkeys(places_of("this is terrible"), -0.4)
MOODS = TextSpec(fields=("body",), into="score", weights=WEIGHTS)
MOOD = watch("mood", "average", "said", field="score", over="1h")
SAME = watch("same", "alike", "said", field=("body",), over="1h")
SOUR = detector("sour", "customer", compare("mood", "below", 0), MOOD)
AGAIN = detector("again", "customer", compare("same", "at_least", 2), SAME)


def a_plan() -> Plan:
    streams = (StreamSpec(name="chat", text=MOODS), StreamSpec(name="usage"))
    return planned((SOUR, AGAIN), entities=(EntitySpec(kind="customer", fields=("customer",)),), streams=streams)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    found, at = [], MONDAY
    for number in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1_000, 7 * MINUTE, 50 * MINUTE, -3 * MINUTE, -70 * MINUTE]))
        fields: dict[str, Any] = {"id": f"e{draw(st.integers(0, number))}", "event": "said", "at": at}
        fields |= {"customer": draw(st.sampled_from(["ada", "bob"])), "body": draw(st.sampled_from(SAID))}
        fields |= {"score": draw(st.sampled_from([0.5, -1, None, "low"]))} if draw(st.booleans()) else {}
        stream = draw(st.sampled_from(["chat", "chat", "usage"]))
        found.append(Row(stream, stream, number, orjson.dumps(fields)))
    return found


def came_of(given_rows: list[Row], size: int, *, is_express: bool, restarts: bool) -> tuple[list[Any], Any]:
    """Signals and decisions in order, and what is stored of everybody in the end."""
    plan, disk, came = a_plan(), Disk(), []
    router, chain = Router(plan.configuration.project, plan.watched), Chain(plan)
    letters: list[DeadLetter] = []
    for at in range(0, len(given_rows), size):
        express = Express(router, chain) if is_express else None
        batch = given_rows[at : at + size]
        if express:
            express.take(batch, letters)
        else:
            for row in batch:
                outcomes = router.route(row)
                letters += [found for found in outcomes if isinstance(found, DeadLetter)]
                chain.take_all(found for found in outcomes if not isinstance(found, DeadLetter))
                chain.take_all(router.ticks())
        came += [*chain.drain().signals]
        disk.save(chain)
        if restarts:
            chain = disk.open(plan)
    chain.take_all(router.end())
    came += [*chain.drain().signals]
    disk.save(chain)
    assert not letters
    return came, disk.entities


@given(given_rows=rows(), size=st.sampled_from([1, 7, 1_000]), restarts=st.booleans())
def test_the_same_texts_lead_to_the_same(given_rows: list[Row], size: int, restarts: bool) -> None:
    plain = came_of(given_rows, 1, is_express=False, restarts=False)
    assert came_of(given_rows, size, is_express=True, restarts=restarts) == plain


def test_a_mood_is_judged_by_the_score_of_the_text() -> None:
    assert scorer_of(MOODS)("this is terrible") < 0 < scorer_of(MOODS)("thank you, wonderful")
    fields = {"id": "1", "event": "said", "at": MONDAY, "customer": "ada", "body": "this is terrible"}
    came, _stored = came_of([Row("chat", "chat", 0, orjson.dumps(fields))], 1, is_express=True, restarts=False)
    assert [signal.detector for signal in came] == ["sour"]
