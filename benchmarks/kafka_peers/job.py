"""The job that every peer does: per customer the number and mean of a value over a sliding hour in six panes.

An action is due when a customer begins to stand out: at least five readings with a mean above 78 or below 22, or 20,000
readings. What is remembered of a customer is one flat list: the pane of the present, a number and a sum for each of the
six panes, and whether the customer stands out already.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson

PANES = 6
PANE_MS = 600_000
FEW, HIGH, LOW, MANY = 5, 78, 22, 20_000
STANDS_OUT = 1 + 2 * PANES

State: TypeAlias = list[float]
loads = orjson.loads


def fresh(at: int) -> State:
    return [at // PANE_MS, *([0] * (2 * PANES + 1))]


def take(state: State, at: int, value: float) -> bool:
    """Take one reading into the state, in place. True when the customer stands out and did not before."""
    pane = at // PANE_MS
    if pane > state[0]:
        move(state, pane)
    place = 1 + 2 * (pane % PANES)
    state[place] += 1
    state[place + 1] += value
    readings = state[1] + state[3] + state[5] + state[7] + state[9] + state[11]
    if readings < FEW:
        now = False
    else:
        mean = (state[2] + state[4] + state[6] + state[8] + state[10] + state[12]) / readings
        now = mean > HIGH or mean < LOW or readings >= MANY
    begins = now and not state[STANDS_OUT]
    state[STANDS_OUT] = now
    return begins


def move(state: State, pane: int) -> None:
    """Empty the panes that time has passed since this customer was last heard of."""
    for passed in range(int(state[0]) + 1, min(pane, int(state[0]) + PANES) + 1):
        state[1 + 2 * (passed % PANES)] = state[2 + 2 * (passed % PANES)] = 0
    state[0] = pane


def action(customer: str, at: int) -> bytes:
    return orjson.dumps({"customer": customer, "at": at, "play": "tell"})


class Customers:
    """The job over states in a dict of one's own, for peers that bring no state."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.actions = 0

    def take(self, raw: bytes) -> bytes | None:
        """The action that this event leads to, if any."""
        event = loads(raw)
        customer = event["entities"]["customer"]
        at = event["at"]
        state = self.states.get(customer)
        if state is None:
            state = self.states[customer] = fresh(at)
        if take(state, at, event["attributes"]["value"]):
            self.actions += 1
            return action(customer, at)
        return None


def step(state: State | None, event: dict[str, Any]) -> tuple[State, bytes | None]:
    """The job for peers that hand a state in and take it back: the state to keep, and the action if one is due."""
    at = event["at"]
    if state is None:
        state = fresh(at)
    due = take(state, at, event["attributes"]["value"])
    return state, action(event["entities"]["customer"], at) if due else None
