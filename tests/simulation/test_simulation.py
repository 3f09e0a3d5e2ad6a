"""Thousands of small worlds in which everything goes wrong that can, and the promises still hold.

`SIM_SEEDS` says how many, docs/testing.md what a world is. A broken promise prints its seed and how to live it again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from engine.shells.faults import POINTS
from engine.shells.ledger import State
from tests.simulation.mutants import MUTANTS, RETURNING, Patch
from tests.simulation.receivers import FAULTS
from tests.simulation.returning import Returning
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIM_SEEDS", "8000"))
PARTS = 2
# With fewer worlds than this in a part, something rare may be missing from it by chance.
ENOUGH = 4_000
MUTANT_SEEDS = 5_000

CRASHES = (*POINTS, "before a write", "after a commit", "before the mark", "after the mark", "before a request")
ROWS = ("repeated", "conflicting", "late", "broken", "early", "poison", "deadly")
# What must have happened at least once in a sweep, or the sweep has not tried what it says.
SOMETIMES = {
    *FAULTS,
    *(f"crash {point}" for point in (*CRASHES, "after a request", "before a question")),
    *(f"row {kind}" for kind in ROWS),
    # Nobody takes a yes back here; tests/dispatch/test_last_look.py has that.
    *(f"state {state}" for state in State if state is not State.RECALLED),
    *("pause", "stop", "places lost", "rebuilt", "restored", "older copy refused", "cannot say", "repeated, flagged"),
}


# The same of worlds in which what comes back changes what is decided.
CAME_BACK = {
    *(f"came back {state}" for state in (State.DELIVERED, State.REJECTED, State.UNKNOWN, State.EXPIRED)),
    *(f"after {what}" for what in ("sms rejected", "log rejected", "call worked", "call rejected", "call expired")),
    *(f"crash {point}" for point in CRASHES),
}


def sweep(seeds: Iterable[int], kind: type[World] = World) -> Counter[str]:
    """Live all of these. Returns what happened in them; raises AssertionError for the first that broke a promise."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        world = kind(seed)
        try:
            world.run()
        except Exception as broken:
            again = f"python -m tests.simulation.replay {seed}{' returning' * (kind is Returning)}"
            raise AssertionError(f"seed {seed} broke a promise: {broken}\nlive it again with: {again}") from broken
        seen.update(world.fate.seen)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_promises_hold_whatever_goes_wrong(part: int) -> None:
    seeds = range(part, SEEDS, PARTS)
    seen = sweep(seeds)
    missing = sorted(SOMETIMES - set(seen))
    assert not missing or len(seeds) < ENOUGH, f"never happened in {len(seeds)} worlds, so nothing is proved: {missing}"


@pytest.mark.slow
def test_what_comes_back_is_taken_once_and_decided_on_as_by_an_uninterrupted_run() -> None:
    seeds = range(SEEDS // PARTS // 2)
    missing = sorted(CAME_BACK - set(sweep(seeds, Returning)))
    assert not missing or len(seeds) < ENOUGH // 2, (
        f"never happened in {len(seeds)} worlds, so nothing is proved: {missing}"
    )


@pytest.mark.parametrize("mutant", RETURNING, ids=lambda mutant: mutant.__name__)
def test_a_wrong_way_back_is_found_out(mutant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch.setattr)
    for seed in range(MUTANT_SEEDS):
        try:
            Returning(seed).run()
        except AssertionError:
            return
    pytest.fail(f"{MUTANT_SEEDS} worlds have not noticed")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_protocol_is_found_out(mutant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch.setattr)
    for seed in range(MUTANT_SEEDS):
        try:
            World(seed).run()
        except AssertionError:
            return
    pytest.fail(f"{MUTANT_SEEDS} worlds have not noticed")


def test_a_seed_is_a_world() -> None:
    """The same seed is lived the same way, so a failure can be looked at."""
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert first.fate.seen == second.fate.seen
    assert first.lives == second.lives
    assert first.time.ms == second.time.ms
