"""A signal opens and closes exactly when looking at every moment would say so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.spec.types import DetectorSpec
from tests.core.worlds import World, compare, detector, watch
from tests.laws.oracles import Sample, life_of

# Events come at even moments and durations are odd, so that nothing is due at the very moment of an event.
UNTIL = 201
moments = st.integers(0, 60).map(lambda number: number * 2)
durations = st.integers(-1, 15).map(lambda number: max(0, number * 2 + 1))


def high(for_ms: int, keep_ms: int, *, hysteresis: bool) -> DetectorSpec:
    level = watch("level", "latest", "reading", field="level", over="52w")
    more = {"resolve_when": compare("level", "is", 0)} if hysteresis else {}
    when = compare("level", "at_least", 2)
    return detector("high", "customer", when, level, for_=f"{for_ms}ms", keep_firing_for=f"{keep_ms}ms", **more)


@given(
    levels=st.dictionaries(moments, st.integers(0, 2), min_size=1, max_size=15),
    for_ms=durations,
    keep_ms=durations,
    hysteresis=st.booleans(),
    restart_at=st.integers(0, 15),
    looks=st.lists(st.integers(0, 100).map(lambda number: number * 2 + 1), max_size=10),
)
def test_for_keep_firing_for_and_resolve_when(
    levels: dict[int, int], for_ms: int, keep_ms: int, hysteresis: bool, restart_at: int, looks: list[int]
) -> None:
    ordered = sorted(levels.items())
    samples = [Sample(at, level >= 2, level == 0 if hysteresis else level < 2) for at, level in ordered]
    world = World(high(for_ms, keep_ms, hysteresis=hysteresis))
    for number, (at, level) in enumerate(ordered):
        if number == restart_at:
            world.restart()
        before = ordered[number - 1][0] if number else 0
        for look in sorted(look for look in looks if before < look < at):
            world.wait_until(f"{look}ms")
        world.hears("reading", f"{at}ms", customer="ada", level=level)
    world.wait_until(f"{UNTIL}ms")
    said = [(signal.state, signal.at - world.start) for signal in world.done.signals]
    assert said == life_of(samples, UNTIL, for_ms, keep_ms)
