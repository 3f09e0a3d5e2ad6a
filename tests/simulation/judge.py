"""Holds what a world came to against the oracle, promise by promise."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from engine.core.state import decode
from engine.model import Action
from engine.shells.ledger import State
from tests.simulation.oracle import Letter, Oracle, letter

if TYPE_CHECKING:
    from tests.simulation.world import World

OVER = {State.DELIVERED, State.REJECTED, State.UNKNOWN, State.HELD, State.EXPIRED}


def judge(world: World, oracle: Oracle) -> None:
    """Raises AssertionError with the promise that was broken."""
    disk = world.machine.disk
    world.fate.is_dead = False
    world.fate.left = 1 << 60
    letters: Counter[Letter] = Counter(letter(dead) for _seq, dead in world.machine.start_store().dead_letters())
    if world.lost_places:
        # What is read again is refused again, and numbered on.
        letters, oracle.letters = _unnumbered(letters), _unnumbered(oracle.letters)
    assert letters == oracle.letters, f"dead letters differ: {letters - oracle.letters} {oracle.letters - letters}"
    decisions = [bytes(record) for (record,) in disk.execute("SELECT record FROM decisions ORDER BY at, id")]
    assert decisions == oracle.decisions, "the decision log differs from that of an uninterrupted run"
    _judge_state(world, oracle)
    _judge_actions(world, oracle)


def _unnumbered(letters: Counter[Letter]) -> Counter[Letter]:
    return Counter(
        {(reason, *where, 0 if "routed" in where else position, raw) for reason, *where, position, raw in letters}
    )


def _judge_state(world: World, oracle: Oracle) -> None:
    disk = world.machine.disk
    entities = {(kind, key): bytes(r) for kind, key, r in disk.execute("SELECT kind, key, record FROM entities")}
    assert entities.keys() == oracle.entities.keys(), "other entities are known"
    for name, record in entities.items():
        ours, theirs = decode(record), decode(oracle.entities[name])
        if world.lost_places:
            ours = msgspec.structs.replace(ours, position=theirs.position)
        assert ours == theirs, f"what is remembered of {name} differs:\n{ours}\n{theirs}"
    store = world.machine.start_store()
    units = {unit: store.unit(unit) for (unit,) in disk.execute("SELECT unit FROM units")}
    assert units == {unit: record for unit, record in oracle.units.items() if unit in units}, "units differ"


def _judge_actions(world: World, oracle: Oracle) -> None:
    disk, channels = world.machine.disk, world.plan.configuration.project.channels
    rows = {
        action_id: (State(state), bool(flagged))
        for action_id, state, flagged in disk.execute("SELECT id, state, possible_duplicate FROM actions")
    }
    assert rows.keys() == oracle.actions.keys(), "the ledger has other actions than an uninterrupted run decides"
    for action_id, action in oracle.actions.items():
        state, flagged = rows[action_id]
        world.fate.seen[f"state {state}"] += 1
        receiver = world.receivers[channels[action.channel]]
        times = receiver.accepted[action.decision_id]
        assert state in OVER, f"{state} is no end"
        assert times <= _most(action, world, flagged), (
            f"{action.purpose} action {state} took effect {times} times at {type(receiver).__name__}"
        )
        if state is State.DELIVERED:
            assert times, "an action counts as delivered that nobody has accepted"
        if state in (State.REJECTED, State.EXPIRED):
            assert not times, f"an action counts as {state} that was accepted"
        if times > 1:
            world.fate.seen["repeated, flagged"] += 1


def _most(action: Action, world: World, flagged: bool) -> int:
    """How often an action may take effect: once, and a critical one twice if it is flagged."""
    if action.purpose == "critical" and (flagged or world.was_restored):
        return 2
    return 1
