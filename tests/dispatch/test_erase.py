"""The ledger forgets somebody: the words go, the ids stay, and nothing is sent again, whatever was under way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from engine.model import Action
from engine.shells.ledger import Ledger, Settled, State

WHO = "customer:c7"


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(sqlite3.connect(":memory:", isolation_level=None))


def intended(ledger: Ledger, action: Action) -> None:
    with ledger.transaction():
        ledger.add([action], {action.channel: "desk"})
    ledger.intend([action.id], now=1, run=ledger.begin_run())


def state(ledger: Ledger, action: Action) -> State:
    row = ledger.get(action.id)
    assert row is not None
    return row.state


@pytest.mark.parametrize(
    ("what", "then"),
    [
        (State.RETRY, State.EXPIRED),
        (State.HELD, State.EXPIRED),
        (State.DELIVERED, State.DELIVERED),
        (State.UNKNOWN, State.UNKNOWN),
    ],
)
def test_what_is_under_way_is_not_sent_again(
    ledger: Ledger, action: Callable[..., Action], what: State, then: State
) -> None:
    one = action(about=WHO, text="very private")
    intended(ledger, one)
    assert ledger.erase(WHO) == 1
    ledger.settle(one.id, Settled(state=what, why="the receiver said: very private"), now=2)
    assert state(ledger, one) is then
    assert ledger.release([one.id], "a person says so") == 0
    assert ledger.due("desk", 10, 10) == []
    assert "private" not in str(ledger._db.execute("SELECT * FROM actions").fetchall())


def test_an_intent_that_never_began_is_not_taken_up_again(ledger: Ledger, action: Callable[..., Action]) -> None:
    one = action(about=WHO)
    intended(ledger, one)
    ledger.erase(WHO)
    ledger.withdraw([one.id])
    assert state(ledger, one) is State.EXPIRED


def test_an_erased_id_is_known_and_others_are_left_alone(ledger: Ledger, action: Callable[..., Action]) -> None:
    one, other = action(about=WHO), action(id="a-other", about="customer:c77")
    with ledger.transaction():
        ledger.add([one, other], {one.channel: "desk"})
    assert ledger.erase(WHO) == 1
    assert ledger.add([one], {one.channel: "desk"}) == 0
    assert state(ledger, other) is State.PENDING
