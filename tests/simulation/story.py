"""A small input with everything in it that real ones have: repeats, latecomers, broken rows, people with two names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import orjson

import sinks
from engine.core.plan import Plan, compile_plan
from engine.core.route import FILES, Row
from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from engine.ports import Plugins
from engine.shells import wiring
from engine.shells.circuit import ROWS_MOST
from engine.spec.load import load
from tests.faults.breaking import Breaks
from tests.simulation.fate import Crash
from tests.simulation.virtual import START

CONFIG = Path(__file__).parent / "config"
CUSTOMERS = ("ada", "bob", "eve")
STREAM_OF = {"login": "usage", "login.failed": "usage", "ticket.opened": "tickets"}
STEPS_MS = (0, 0, 3 * SECOND_MS, MINUTE_MS, MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS, 30 * HOUR_MS)


@cache
def plan() -> Plan:
    plugins: Plugins = {**wiring.plugins(), "breaks": Breaks(die=_die)}
    return compile_plan(load(CONFIG, plugins, sinks.options_of), plugins)


def _die() -> None:
    raise Crash("on a deadly row")


class Story:
    """`rows` in the order they are read. `breaking` are the places of those no engine could take, with the reason."""

    def __init__(self, random: Random, *, aliases: bool, breaks: bool, kills: bool) -> None:
        self._random = random
        self._aliases = aliases
        self._at = START
        self._sizes: dict[str, int] = {"usage": 0, "tickets": 0}
        self._number = 0
        self._events: list[dict[str, object]] = []
        self.rows: list[Row] = []
        self.breaking: dict[tuple[str, int], str] = {}
        self.kinds: set[str] = set()
        self._unusual = [self._repeated, self._repeated, self._late, self._conflicting, self._broken, self._early]
        self._unusual += [self._poison] if breaks else []
        self._unusual += [self._deadly] if kills else []
        for _ in range(random.randint(10, 32)):
            self._next()

    def _next(self) -> None:
        if self._random.random() < 0.2:
            unusual = self._random.choice(self._unusual)
            self.kinds.add(unusual.__name__.strip("_"))
            unusual()
        else:
            self._write(self._event())

    def _event(self, **more: object) -> dict[str, object]:
        self._at += self._random.choice(STEPS_MS)
        self._number += 1
        kind = self._random.choice(("login", "login.failed", "login.failed", "ticket.opened"))
        event = {"id": f"e{self._number}", "event": kind, "at": self._at, **self._who(), **more}
        self._events.append(event)
        return event

    def _who(self) -> dict[str, object]:
        name = self._random.choice(CUSTOMERS)
        if not self._aliases:
            return {"customer": name}
        return self._random.choice(
            ({"customer": name}, {"customer": name, "email": f"{name}@x"}, {"email": f"{name}@x"})
        )

    # ---- what is unusual

    def _repeated(self) -> None:
        self._write(self._random.choice(self._events) if self._events else self._event())

    def _conflicting(self) -> None:
        self._write({**(self._random.choice(self._events) if self._events else self._event()), "note": "other"})

    def _late(self) -> None:
        event = self._event()
        event["at"] = self._at - self._random.choice((4 * SECOND_MS, HOUR_MS, 2 * DAY_MS))
        self._write(event)

    def _early(self) -> None:
        self._write({**self._event(), "at": "the day after"})
        self._events.pop()

    def _broken(self) -> None:
        self._put("usage", b'{"id": "cut off", "eve')

    def _poison(self) -> None:
        self._break("raises", "poison")

    def _deadly(self) -> None:
        self._break("kills", "crash_loop")

    def _break(self, how: str, reason: str) -> None:
        if len(self.breaking) >= ROWS_MOST - 1:
            return  # more of them would take the detector out of service
        event = self._event(breaks=how, customer=self._random.choice(CUSTOMERS))
        self._events.pop()
        row = self._write(event)
        self.breaking[row.source, row.position] = reason

    # ---- into a file

    def _write(self, event: dict[str, object]) -> Row:
        return self._put(STREAM_OF[str(event["event"])], orjson.dumps(event))

    def _put(self, stream: str, raw: bytes) -> Row:
        start = self._sizes[stream]
        after = self._sizes[stream] = start + len(raw) + 1
        row = Row(stream, f"{stream}.jsonl", start, raw, clock=FILES, after=after)
        self.rows.append(row)
        return row
