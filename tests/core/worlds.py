"""A small world to tell stories in: detectors and plays as typed specifications, and events at `3d` after Monday.

`World` moves time the way a shell does: up to just before an event, then the event, then on to its moment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
import xxhash

import detectors
from engine.core.chain import Chain
from engine.core.effects import Effects
from engine.core.plan import Plan, compile_plan
from engine.model import Event, Json, Receipt, Routed, Signal, StreamResumed, StreamStalled, Tick
from engine.ports import Comparator, FieldTest, Step
from engine.spec.types import (
    Bounds,
    Compare,
    ConditionSpec,
    Configuration,
    DetectorSpec,
    EntitySpec,
    Kept,
    MeasureSpec,
    PlaySpec,
    ProjectSpec,
    Retention,
    StreamSpec,
)
from tests.core.restarts import Disk

KINDS: dict[str, Any] = dict(detectors.load())
MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
ENTITIES = ("account", "customer", "region", "session")


def ms(written: str) -> int:
    """`2d 3h 1s` in milliseconds."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(-?\d+)(ms|s|m|h|d|w)", written))


# ---- specifications


def watch(name: str, word: str, event: str | tuple[str, ...], **options: Any) -> MeasureSpec:
    events = (event,) if isinstance(event, str) else event
    made = KINDS[word].options(event=events, **{key: _option(key, value) for key, value in options.items()})
    assert not KINDS[word].problems(word, made), KINDS[word].problems(word, made)
    return MeasureSpec(name=name, word=word, options=made)


def kept(word: str, **options: Any) -> Kept:
    made = KINDS[word].options(**{key: _option(key, value) for key, value in options.items()})
    assert not KINDS[word].problems(word, made), KINDS[word].problems(word, made)
    return Kept(word=word, options=made)


def _option(name: str, value: Any) -> Any:
    if name in ("over", "within", "unit") and isinstance(value, str):
        return ms(value)
    if name in ("where", "after_where") and isinstance(value, dict):
        return tuple(is_(path, wanted) for path, wanted in value.items())
    return (value,) if name in ("event", "after") and isinstance(value, str) else value


def is_(path: str, value: Any) -> FieldTest:
    return FieldTest(path, "is", tuple(value) if isinstance(value, list) else value)


def compare(measure: str, comparator: Comparator, limit: float, in_a_row: int = 0) -> Compare:
    return Compare(measure=measure, comparator=comparator, limit=limit, in_a_row=in_a_row)


def detector(name: str, per: str, when: ConditionSpec, *measures: MeasureSpec, **more: Any) -> DetectorSpec:
    durations = {f"{key}_ms": ms(more.pop(key)) for key in ("for_", "keep_firing_for", "cooldown") if key in more}
    if "for__ms" in durations:
        durations["for_ms"] = durations.pop("for__ms")
    play = more.pop("play", "call")
    given = {
        "owner": "desk",
        "reason": "because",
        "version": "1",
        "plays": (play,) if play else (),
        **durations,
        **more,
    }
    return DetectorSpec(name=name, per=per, when=when, watch=measures, **given)


def step(*events: str, **more: Any) -> Step:
    return Step(events=events, **more)


def play(name: str, **more: Any) -> PlaySpec:
    if "expires" in more:
        more["expires_ms"] = ms(more.pop("expires"))
    given = {"channel": "desk", "text": "Call {{ key }}", "version": "1", "purpose": "service", "owner": "desk", **more}
    return PlaySpec(name=name, **given)


CALL = play("call")


def configuration(specs: Sequence[DetectorSpec], **given: Any) -> Configuration:
    project = dict(given)
    plays = project.pop("plays", (CALL,))
    experiments = project.pop("experiments", ())
    streams = (
        StreamSpec(name="usage", lateness_ms=ms(project.pop("lateness", "0s"))),
        StreamSpec(name="crm", family="profile", describes="account", lateness_ms=0),
        StreamSpec(name="people", family="profile", describes="customer", lateness_ms=0),
    )
    made = ProjectSpec(
        project="world",
        entities=project.pop("entities", tuple(EntitySpec(kind=kind, fields=(kind,)) for kind in ENTITIES)),
        streams=project.pop("streams", streams),
        bounds=Bounds(**project.pop("bounds", {})),
        retention=Retention(**project.pop("retention", {})),
        **project,
    )
    return Configuration(
        project=made,
        detectors=tuple(specs),
        plays={each.name: each for each in plays},
        version="1",
        experiments=experiments,
    )


def planned(specs: Sequence[DetectorSpec], **project: Any) -> Plan:
    return compile_plan(configuration(specs, **project), KINDS)


# ---- the world


class World:
    """One chain and everything it has come to so far."""

    def __init__(self, *specs: DetectorSpec, start: int = MONDAY, **project: Any) -> None:
        self._project = project
        self._disk = Disk()
        self._is_trial = bool(project.pop("is_trial", False))
        self.plan = planned(specs, **project)
        self.chain = Chain(self.plan, is_trial=self._is_trial)
        self.start = start
        self.done = Effects()
        self._position = 0

    def event(self, name: str, at: str, stream: str = "usage", **fields: Json) -> None:
        """Something happens, and time goes on to it. Fields named like entities are their ids."""
        moment = self.start + ms(at)
        self.chain.take(Tick(moment - 1))
        self.hears(name, at, stream, **fields)
        self.chain.take(Tick(moment))
        self._collect()

    def hears(self, name: str, at: str, stream: str = "usage", **fields: Json) -> None:
        """The event alone, at any time and in any order; no time passes."""
        event_id = str(fields.pop("id", f"{name}#{self._position}"))
        entities = {kind: str(fields[kind]) for kind in ENTITIES if kind in fields}
        body = xxhash.xxh3_64_intdigest(orjson.dumps(fields))
        event = Event(event_id, name, self.start + ms(at), stream, entities, dict(fields), body=body)
        self._position += 1
        for number, (kind, key) in enumerate(sorted(entities.items())):
            self.chain.take(Routed(kind, key, self._position, event, number == 0))
        unit = next((kind for kind in ("account", "customer") if kind in entities), "")
        if unit and (stream in ("crm", "people") or name in self.plan.heard):
            self.chain.take(Routed("unit", f"{unit}:{entities[unit]}", self._position, event, primary=False))
        self._collect()

    def events(self, name: str, at: str, times: int, every: str, **fields: Json) -> None:
        for number in range(times):
            self.event(name, f"{ms(at) + number * ms(every)}ms", **fields)

    def wait_until(self, at: str) -> None:
        self.chain.take(Tick(self.start + ms(at)))
        self._collect()

    def became(self, what: str, action: int = -1) -> None:
        """What became of one of the actions, told by dispatch as of now; the next tick decides what follows."""
        one = self.done.actions[action]
        self.chain.take_receipts([Receipt(one.id, one.channel, what, 0, 1, unit=one.unit)])
        self._collect()

    def stalls(self, stream: str, since: str) -> None:
        self.chain.take(StreamStalled(stream, self.start + ms(since)))

    def resumes(self, stream: str, at: str) -> None:
        self.chain.take(StreamResumed(stream, self.start + ms(at)))

    def restart(self, *specs: DetectorSpec) -> None:
        """Write everything down, and go on from that, under other detectors if they are given."""
        self._collect()
        self._disk.save(self.chain)
        if specs:
            self.plan = planned(specs, **self._project)
        self.chain = self._disk.open_changed(self.plan) if specs else self._disk.open(self.plan)

    def _collect(self) -> None:
        effects = self.chain.drain()
        for name in ("signals", "decisions", "actions", "recalls", "dead_letters"):
            getattr(self.done, name).extend(getattr(effects, name))
        self.done.counts.update(effects.counts)
        self.done.reviews.update(effects.reviews)
        self.done.returned.update(effects.returned)

    # ---- what came of it

    def said(self) -> list[tuple[str, str, str]]:
        """(state, key, when) of every signal, the moment as written for `event`."""
        return [(signal.state, signal.key, self.spoken(signal.at)) for signal in self.done.signals]

    def fired(self) -> list[tuple[str, str]]:
        return [(signal.key, self.spoken(signal.at)) for signal in self.done.signals if signal.state == "firing"]

    def decided(self) -> list[str]:
        """`chosen`, or the gate that stopped it, in order."""
        return [decision.gate or decision.outcome.value for decision in self.done.decisions]

    def set_aside(self) -> list[str]:
        return [letter.reason for letter in self.done.dead_letters]

    def signal(self) -> Signal:
        return self.done.signals[-1]

    def spoken(self, at: int) -> str:
        """A moment as it is written in a story: `4d`, `1d 2h`."""
        left, parts = at - self.start, []
        for unit in ("d", "h", "m", "s", "ms"):
            number, left = divmod(left, _UNITS[unit])
            if number:
                parts.append(f"{number}{unit}")
        return " ".join(parts) or "0s"
