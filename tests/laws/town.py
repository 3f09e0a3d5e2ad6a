"""A town of accounts and their people, in weeks in which clocks change, written to under every rule at once.

A seed is a story of one to two weeks: reasons to write to people, words about being written to, moves to other time
zones. Its records are carried through some partitions that are restarted, split anew, and given changed configurations,
and everything that was decided is kept as it would be logged.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import orjson

from engine.core.chain import UNIT, Chain
from engine.core.plan import Plan
from engine.core.route import FILES, Router, Row
from engine.model import Action, DeadLetter, Decision, Record, Routed, Tick
from engine.spec.policies import ConsentSpec, HoldoutSpec, LimitSpec, Policies, QuietHours, StopWords
from engine.spec.types import DetectorSpec, PlaySpec, StreamSpec
from tests.core.restarts import Disk
from tests.core.worlds import compare, detector, ms, planned, play, watch

# A few days before a night in which clocks change: in America, in Europe, in autumn in both, on Lord Howe Island.
STARTS = tuple(
    round(datetime(2026, month, day, tzinfo=UTC).timestamp() * 1000)
    for month, day in ((3, 5), (3, 26), (10, 22), (10, 29), (4, 2), (10, 1), (1, 5))
)
DAYS = 9
ZONES = ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Lisbon")
UNKNOWN = ("Europe/Lisbon", "Europe/Helsinki")
PLAYS = (
    play("help", channel="email"),
    play("gift", channel="email", purpose="marketing", tags=("gift",), value=2),
    play("poll", channel="sms", purpose="marketing", fallback=("email",)),
    play("news", channel="email", purpose="marketing", lever=30),
    play("text", channel="sms", fallback=("email",), expires="8h"),
    play("terms", channel="email", mandatory=True),
    play("lock", channel="sms", purpose="critical"),
    play("chat", channel="sms", in_session=True, expires="10m"),
)
LIMITS = (
    LimitSpec(at_most=2, over_ms=ms("1d")),
    LimitSpec(at_most=6, over_ms=ms("3d"), per="account", reserve=2),
    LimitSpec(at_most=1, over_ms=ms("2d"), channels=("sms",)),
    LimitSpec(at_most=1, over_ms=ms("4d"), classes=("marketing",), tags=("gift",)),
)
RULES = Policies(
    limits=LIMITS,
    quiet_hours=QuietHours(from_minute=21 * 60, to_minute=8 * 60, unknown_zone=UNKNOWN, days=(6,)),
    consent=ConsentSpec(
        given=("yes",),
        withdrawn=("no",),
        stop=StopWords(event="answered", channel="sms", field="text", words=("stop",)),
    ),
    holdout=HoldoutSpec(salt="town", places_by_class={"marketing": 2_000}),
)
STREAMS = (
    StreamSpec(name="usage", lateness_ms=0),
    StreamSpec(name="people", family="profile", describes="customer", lateness_ms=0),
)
PEOPLE = tuple(
    {"customer": f"c{number}", "account": f"a{number // 3}"} if number < 36 else {"customer": f"c{number}"}
    for number in range(48)
)


class Happening(msgspec.Struct, frozen=True):
    """At `at` (ms), to somebody: a reason for a play, a word about being written to, or what their profile says."""

    at: int
    what: str
    who: Mapping[str, str]
    said: Mapping[str, str]


def detectors() -> Iterator[DetectorSpec]:
    """One for each play, about a session, so that each event is a signal, and sessions spread over the partitions."""
    for each in PLAYS:
        wanted = watch(each.name, "count", each.name, over="4w")
        yield detector(each.name, "session", compare(each.name, "at_least", 1), wanted, plays=(each.name,))


def plan_of(wait: str, plays: Sequence[PlaySpec] = PLAYS) -> Plan:
    return planned(tuple(detectors()), streams=STREAMS, plays=tuple(plays), policies=RULES, wait_ms=ms(wait))


def edited(seed: int) -> tuple[PlaySpec, ...]:
    """The same plays with other worth and words: who hears what may change, and no rule is broken for that."""
    chance = random.Random(seed)
    return tuple(
        msgspec.structs.replace(each, version="2", text="Write to {{ key }}", value=chance.randint(1, 9))
        if each.purpose != "critical" and not each.mandatory
        else each
        for each in PLAYS
    )


def story_of(seed: int, reasons: int) -> list[Happening]:
    """In order of time. Some moments are shared, and some lie exactly where a span ends."""
    chance = random.Random(seed)
    start = STARTS[seed % len(STARTS)]
    told = [
        Happening(start, "profile", who, {"time_zone": ZONES[number % 6]} if number % 6 < 5 else {})
        for number, who in enumerate(PEOPLE)
    ]
    told += [Happening(start + 1, "yes", who, {}) for who in PEOPLE if chance.random() < 0.8]
    for _ in range(reasons):
        at = (
            start
            + chance.randrange(DAYS * 48) * 1_800_000
            + chance.choice((0, 0, 1, 60_000, chance.randrange(1_800_000)))
        )
        told += [_happening(at, chance) for _ in range(chance.choice((1, 1, 1, 2, 4)))]
    return sorted(told, key=lambda one: one.at)


def _happening(at: int, chance: random.Random) -> Happening:
    who = chance.choice(PEOPLE)
    kind = chance.choices(("reason", "word", "move"), (20, 2, 1))[0]
    if kind == "reason":
        return Happening(at, chance.choice(PLAYS).name, who, {})
    if kind == "move":
        return Happening(at, "profile", who, {"time_zone": chance.choice(ZONES)})
    about = {
        "channel": chance.choice(("email", "sms", "")),
        "purpose": chance.choice(("marketing", "gift", "service", "")),
    }
    what = chance.choice(("yes", "yes", "no", "answered"))
    return Happening(at, what, who, {"text": "Stop!"} if what == "answered" else {n: v for n, v in about.items() if v})


def records_of(plan: Plan, story: Sequence[Happening]) -> list[Record]:
    router, records = Router(plan.configuration.project, plan.watched), list[Record]()
    for number, each in enumerate(story):
        is_reason = each.what in plan.configuration.plays
        fields = {"id": f"e{number}", "event": each.what, "at": each.at, **each.who, **each.said}
        row = {**fields, "session": f"s{number}"} if is_reason else fields
        for outcome in router.route(
            Row("usage" if is_reason else "people", "rows", number, orjson.dumps(row), clock=FILES)
        ):
            assert not isinstance(outcome, DeadLetter), outcome
            records.append(outcome)
        records += router.ticks()
    return records + list(router.end(story[-1].at + ms("14d")))


class Town:
    """Detect split by entity and decide by unit, over some partitions; and the logs of what came of it."""

    def __init__(self, plan: Plan, how_many: int) -> None:
        self._plan = plan
        self._chains = [Chain(plan) for _ in range(how_many)]
        self._disks = [Disk() for _ in range(how_many)]
        self.decisions: list[Decision] = []
        self.actions: list[Action] = []

    def take(self, record: Record) -> None:
        if isinstance(record, Tick):
            self._pass_time(record.at)
        else:
            assert isinstance(record, Routed), record
            name = record.key if record.entity == UNIT else f"{record.entity}:{record.key}"
            self._chains[self._place(name)].take(record)

    def _place(self, name: str) -> int:
        return zlib.crc32(name.encode()) % len(self._chains)

    def _pass_time(self, until: int) -> None:
        """All stop wherever one of them has something due, which in a cluster is what frequent ticks come to."""
        self._cross()
        while (wake := min(chain.entities.next_wake() for chain in self._chains)) < until:
            self._look(wake)
        self._look(until)
        for chain in self._chains:
            chain.now = until

    def _look(self, at: int) -> None:
        for chain in self._chains:
            chain.decide.on_tick(at - 1)
            chain.detect.on_tick(at)
        self._cross()
        for chain in self._chains:
            chain.decide.on_tick(at)

    def _cross(self) -> None:
        """Effects are taken away, and signals go to the partition of their unit."""
        for chain in self._chains:
            effects = chain.effects.take()
            self.decisions += effects.decisions
            self.actions += effects.actions
            for signal in effects.signals:
                self._chains[self._place(signal.unit)].decide.on_signal(signal)

    def restart(self, plan: Plan, how_many: int) -> None:
        """Everything is written down, dealt out to so many partitions, and read again under that plan."""
        self._cross()
        for chain, disk in zip(self._chains, self._disks, strict=True):
            disk.save(chain)
        olds, same_plan = self._disks, plan is self._plan
        self._plan, self._chains = plan, self._chains[:1] * how_many
        self._disks = [Disk() for _ in range(how_many)]
        for old in olds:
            for disk in self._disks:
                disk.layouts |= old.layouts
                disk.now = max(disk.now, old.now)
            for place, entity in old.entities.items():
                self._disks[self._place(":".join(place))].entities[place] = entity
            for name, unit in old.units.items():
                self._disks[self._place(name)].units[name] = unit
        self._chains = [disk.open(plan) if same_plan else disk.open_changed(plan) for disk in self._disks]

    def done(self) -> None:
        self._cross()

    def log(self) -> list[bytes]:
        ordered = sorted(self.decisions, key=lambda decision: (decision.at, decision.id))
        return [msgspec.json.encode(decision) for decision in ordered]


def live(seed: int, reasons: int, wait: str, *, calmly: bool = False) -> tuple[Town, list[Happening]]:
    """One story lived through: in one partition without a break if `calmly`, else with all that may happen to it.

    The configuration is edited half way in every other story, at the same record either way.
    """
    chance, story, plan = random.Random(seed + 1), story_of(seed, reasons), plan_of(wait)
    records = records_of(plan, story)
    breaks = {chance.randrange(len(records)) for _ in range(6)}
    edit_at = len(records) // 2 if seed % 2 else -1
    town = Town(plan, 1 if calmly else chance.choice((1, 4, 16)))
    for number, record in enumerate(records):
        if number == edit_at:
            plan = plan_of(wait, edited(seed))
            town.restart(plan, 1 if calmly else chance.choice((1, 3, 16)))
        elif number in breaks and not calmly:
            town.restart(plan, chance.choice((1, 3, 4, 16)))
        town.take(record)
    town.done()
    return town, story
