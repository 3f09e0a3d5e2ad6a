"""Detectors of every kind over a crowd of customers, and the ways in which the same records can be carried through.

Each way gives a decision log, sorted by (at, id), one JSON line each. The law is that the logs are the same bytes.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Sequence

import msgspec
import orjson

from engine.core.chain import UNIT, Chain
from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.core.route import FILES, Router, Row
from engine.model import Action, DeadLetter, Decision, Mode, Record, Routed, Severity, Tick
from engine.spec.policies import (
    CapacitySpec,
    Chance,
    ConsentSpec,
    HandOff,
    HoldoutSpec,
    InhibitSpec,
    LimitSpec,
    Policies,
    QuietHours,
    Reactions,
    Suppress,
)
from engine.spec.types import (
    AllOf,
    AnyOf,
    AttributeTest,
    CourseStep,
    DetectorSpec,
    Firing,
    Happened,
    StreamSpec,
)
from tests.core.restarts import Disk
from tests.core.worlds import MONDAY, compare, detector, is_, kept, ms, planned, play, step, watch
from tests.laws.shapes import MESSAGES, experiments, routed, shaped

NAMES = ("login", "ticket.opened", "paid", "step", "declined", "contacted", "charged", "heard")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
DAY_S = 86_400


def detectors_of_every_kind() -> tuple[DetectorSpec, ...]:
    tickets = watch("tickets", "count", "ticket.opened", over="6h", where={"priority": ["high", "urgent"]})
    every_ticket = watch("all", "count", "ticket.opened", over="6h")
    logins = watch("logins", "count", "login", every="1d")
    spent = watch("spent", "sum", "paid", field="amount", over="12h")
    mean = watch("mean", "average", "paid", field="amount", over="12h")
    late = watch("late", "share", "heard", where={"status": "late"}, over="4h")
    topics = watch("topics", "distinct", "ticket.opened", field="topic", over="1d")
    last = watch("last", "latest", "heard", field="status", every="6h")
    rate = watch("rate", "rate", "login", over="1h", unit="10m")
    tested = (
        step("declined", at_least=2, strict=True),
        step("contacted", negated=True),
        step("charged", where=(is_("status", ["late", "ok"]),)),
    )
    live = AttributeTest("account", is_("stage", "live"))
    return (
        detector("surge", "account", compare("tickets", "at_least", 3), tickets, every_ticket, cooldown="12h",
                 resolve_when=compare("tickets", "below", 1), severity=Severity.URGENT, why="{{ tickets }}/{{ all }}"),
        detector("quiet", "account", compare("logins", "below", 2, in_a_row=2), logins, only_if=(live,)),
        detector("few", "customer", compare("rate", "below", 0.1), rate, unless=(Firing("surge"),)),
        detector("silent", "customer", kept("absent", event="login", within="7h"), keep_firing_for="20m"),
        detector("idle", "session", kept("expect", after="step", event=("step", "paid"), within="15m")),
        detector("testing", "customer", kept("sequence", steps=tested, within="2h"), cooldown="3h"),
        detector("spender", "customer", AllOf((compare("spent", "above", 20), compare("mean", "at_least", 5))),
                 spent, mean, for_="30m"),
        detector("bumpy", "account", AnyOf((compare("late", "above", 0.5), compare("topics", "at_least", 3))),
                 late, topics, for_="10m", keep_firing_for="1h", cooldown="1d"),
        detector("lost", "account", compare("last", "is", "lost"), last, mode=Mode.SHADOW),
        detector("both", "customer", AllOf((kept("absent", event="paid", within="5h"), compare("spent", "at_most", 3))),
                 spent, unless=(Firing("silent"),)),
    )  # fmt: skip


STEPS = (
    CourseStep(name="text", after_ms=ms("50m"), play=play("call", channel="sms", while_open=False)),
    CourseStep(name="ring", after_ms=ms("2h"), play=play("call", to="owner", tier=3, while_open=False)),
)
ALONE = Suppress(after=1, of=("ignored", "dismissed"), within_ms=ms("1d"), for_ms=ms("5h"), ignored_after_ms=ms("3h"))
REACTIONS = Reactions(
    kinds={"contacted": "replied", "charged": "answered", "declined": "dismissed", "step": "opened"},
    remember_ms=ms("1d"),
)

# Every rule for deciding at once, on plays of every class and audience.
PLAYS = (
    play(
        "call",
        unless=(Happened(("heard",), (is_("status", "ok"),), ms("1h")),),
        steps=STEPS,
        while_open=False,
        goal=Happened(("paid",), (is_("status", "ok"),), ms("5h")),
        chance=Chance(guess=0.2, worth=3),
        stop_if=(Happened(("ticket.opened",), (is_("priority", "urgent"),)),),
        suppress=(ALONE,),
    ),
    play(
        "phone",
        to="owner",
        only_if=(Happened(("ticket.opened", "contacted")),),
        value=2,
        when_full="file",
        expires="20h",
    ),
    play("visit", to="owner"),
    play("file", to="system", only_if=(AttributeTest("account", is_("stage", "live")),)),
    play("gift", purpose="marketing", value=3, tags=("gift",), fallback=("sms",)),
    play("lock", purpose="critical"),
    play("terms", mandatory=True, expires="2h"),
    play("take-over", to="owner", text="{{ hand_off.said }} {{ hand_off.sent }} {{ hand_off.opens }}"),
    play("away", channel="sms"),
)
RULES = Policies(
    limits=(
        LimitSpec(at_most=2, over_ms=ms("12h")),
        LimitSpec(at_most=3, over_ms=ms("1d"), per="unit", reserve=1),
        LimitSpec(at_most=1, over_ms=ms("1d"), tags=("gift",), channels=("desk",)),
    ),
    quiet_hours=QuietHours(from_minute=22 * 60, to_minute=6 * 60, unknown_zone=("UTC", "Europe/Berlin")),
    consent=ConsentSpec(given=("agreed",), withdrawn=("declined",)),
    inhibits=(InhibitSpec(firing="surge", mutes=("gift",), equal=("account",)),),
    holdout=HoldoutSpec(salt="crowd", places=5_000),
    capacity=(CapacitySpec(at_most=2, waiting=4), CapacitySpec(at_most=1, of=("ida",), time_zone="Asia/Kathmandu")),
    reactions=REACTIONS,
    hand_off=HandOff(
        play="take-over",
        away="away",
        closed=QuietHours(from_minute=17 * 60, to_minute=9 * 60, unknown_zone=("Europe/Rome",)),
    ),
)


def ruled() -> tuple[DetectorSpec, ...]:
    """The same detectors, each with plays of its own."""
    plays = (("call", "phone"), ("gift",), ("call",), ("terms", "phone"), ("gift",), ("lock", "visit"))
    chosen = itertools.cycle(plays)
    return tuple(msgspec.structs.replace(spec, plays=next(chosen)) for spec in detectors_of_every_kind())


def plan_of_every_kind(lateness: str = "0s", wait: str = "0s", *, rules: bool = False, shapes: bool = False) -> Plan:
    streams = (
        StreamSpec(name="usage", lateness_ms=ms(lateness)),
        StreamSpec(name="crm", family="profile", describes="account", lateness_ms=ms(lateness)),
        StreamSpec(name="people", family="profile", describes="customer", lateness_ms=ms(lateness)),
    )
    if shapes:
        specs, plays = routed(ruled()), shaped(PLAYS)
        more = {"messages": MESSAGES, "experiments": experiments(specs, plays)}
        return planned(specs, streams=streams, wait_ms=ms(wait), plays=plays, policies=RULES, **more)
    if rules:
        return planned(ruled(), streams=streams, wait_ms=ms(wait), plays=PLAYS, policies=RULES)
    return planned(detectors_of_every_kind(), streams=streams, wait_ms=ms(wait))


# ---- what happens


def rows_of(seed: int, how_many: int = 250, disorder_s: int = 0) -> list[Row]:
    """Two days in a crowd; some rows come twice, and with `disorder_s` some come late."""
    chance = random.Random(seed)
    moments = sorted(chance.randrange(2 * DAY_S) for _ in range(how_many))
    moments.sort(key=lambda at: at + chance.randrange(disorder_s + 1))
    rows = [_row(chance, number, MONDAY + at * 1_000) for number, at in enumerate(moments)]
    return [row for row in rows for _ in range(chance.choice((1, 1, 1, 1, 2)))]


def _row(chance: random.Random, number: int, at: int) -> Row:
    customer = chance.randrange(6)
    fields = {"id": f"e{number}", "at": at, "customer": f"c{customer}", "account": f"a{customer % 3}"}
    stream = chance.choices(("usage", "crm", "people"), (30, 1, 1))[0]
    if stream == "usage":
        fields |= {"event": chance.choice(NAMES), "session": f"s{chance.randrange(9)}", "amount": chance.randrange(30)}
        fields |= {"priority": chance.choice(("low", "high", "urgent")), "topic": chance.choice("abcd")}
        fields |= {"status": chance.choice(("ok", "late", "lost"))}
        if chance.random() < 0.2:
            del fields["account"]
    else:
        says = chance.choice(("profile", "agreed", "declined")) if stream == "people" else "profile"
        fields |= {"event": says, "stage": chance.choice(("live", "new")), "time_zone": chance.choice(ZONES)}
        fields |= {"owner": chance.choice(("ida", "ole"))} if stream == "crm" else {}
        # By the number, so that what comes of the others does not depend on what more there is to say.
        fields |= {"language": ("it", "en", "xx")[number % 3], "topics": (["gifts"], [], "gifts")[number % 3]}
        fields |= {"preferred_hours": ("9-17", "16:00-22:00", "")[number % 3], "mail": f"m{customer // 2}@example.com"}
    return Row(stream, "rows.jsonl", number, orjson.dumps(fields), clock=FILES)


def records_of(plan: Plan, rows: Sequence[Row]) -> list[Record]:
    """The records as route writes them, once and for all ways of carrying them on."""
    router = Router(plan.configuration.project, plan.watched)
    records: list[Record] = []
    for row in rows:
        outcomes = router.route(row)
        assert not any(isinstance(outcome, DeadLetter) for outcome in outcomes), outcomes
        records += [outcome for outcome in outcomes if not isinstance(outcome, DeadLetter)]
        records += router.ticks()
    return records + list(router.end(MONDAY + 4 * DAY_S * 1_000))


# ---- ways of carrying them


def log_of(said: Sequence[Decision | Action]) -> bytes:
    ordered = sorted(said, key=lambda one: (one.at, one.id))
    return b"\n".join(msgspec.json.encode(one) for one in ordered)


def said_in(effects: Effects) -> list[Decision | Action]:
    """All that has to be the same: what was decided, and what goes out."""
    return [*effects.decisions, *effects.actions]


def straight(plan: Plan, records: Sequence[Record]) -> bytes:
    return in_batches(plan, records, len(records))


def in_batches(plan: Plan, records: Sequence[Record], size: int) -> bytes:
    chain, said = Chain(plan), list[Decision | Action]()
    for at in range(0, len(records), size):
        chain.take_all(records[at : at + size])
        said += said_in(chain.drain())
    return log_of(said)


def with_restarts(plan: Plan, records: Sequence[Record], at: set[int]) -> bytes:
    """Written down and read again before each of those records."""
    chain, disk, said = Chain(plan), Disk(), list[Decision | Action]()
    for number, record in enumerate(records):
        if number in at:
            said += said_in(chain.drain())
            disk.save(chain)
            chain = disk.open(plan)
        chain.take(record)
    return log_of(said + said_in(chain.drain()))


class Partitions:
    """Detect split by entity and decide split by unit; both hear every tick, and signals cross over at ticks."""

    def __init__(self, plan: Plan, how_many: int) -> None:
        self.chains = [Chain(plan) for _ in range(how_many)]
        self.said: list[Decision | Action] = []

    def of(self, key: str) -> Chain:
        return self.chains[zlib.crc32(key.encode()) % len(self.chains)]

    def take(self, record: Record) -> None:
        if isinstance(record, Routed):
            self.of(record.key if record.entity == UNIT else f"{record.entity}:{record.key}").take(record)
        elif isinstance(record, Tick):
            self._pass_time(record.at)
        else:
            for chain in self.chains:
                chain.take(record)

    def _pass_time(self, until: int) -> None:
        """All stop wherever one of them has something due, which in a cluster is what frequent ticks come to."""
        self._hand_over()
        while (wake := min(chain.entities.next_wake() for chain in self.chains)) < until:
            self._look(wake)
        self._look(until)

    def _look(self, at: int) -> None:
        self._decide(at - 1)
        for chain in self.chains:
            chain.detect.on_tick(at)
        self._hand_over()
        self._decide(at)

    def _decide(self, at: int) -> None:
        for chain in self.chains:
            chain.decide.on_tick(at)
        self._hand_over()
        for chain in self.chains:
            chain.assign.on_tick(at)

    def _hand_over(self) -> None:
        for chain in self.chains:
            effects: Effects = chain.effects.take()
            self.said += said_in(effects)
            for signal in effects.signals:
                self.of(signal.unit).decide.on_signal(signal)
            for handover in effects.handovers:
                self.of(handover.owner).assign.take([handover])


def over_partitions(plan: Plan, records: Sequence[Record], how_many: int) -> bytes:
    partitions = Partitions(plan, how_many)
    for record in records:
        partitions.take(record)
    for _ in range(2):  # what closed last, and what that takes back from owners
        partitions._hand_over()
    return log_of(partitions.said)


# ---- other ticks for the same events


def with_ticks_before_each_event(records: Sequence[Record]) -> Iterator[Record]:
    last = 0
    for record in _events(records):
        if record.event.at > last:
            yield Tick(record.event.at - 1)
        yield record
        last = record.event.at
    yield Tick(_end(records))


def with_ticks_every(records: Sequence[Record], step_ms: int) -> Iterator[Record]:
    now = MONDAY
    for record in _events(records):
        while now + step_ms < record.event.at:
            now += step_ms
            yield Tick(now)
        if record.event.at - 1 > now:
            yield Tick(record.event.at - 1)
        yield record
        now = max(now, record.event.at - record.event.at % step_ms)
    while now < _end(records):
        now += step_ms
        yield Tick(now)


def _events(records: Sequence[Record]) -> Iterator[Routed]:
    return (record for record in records if isinstance(record, Routed))


def _end(records: Sequence[Record]) -> int:
    return max(record.at for record in records if isinstance(record, Tick))


Way = Callable[[Plan, Sequence[Record]], bytes]


if __name__ == "__main__":
    # Run under several values of PYTHONHASHSEED, whose logs must be the same.
    plans = (plan_of_every_kind(lateness="5s"), plan_of_every_kind(lateness="5s", wait="10m", rules=True))
    print(zlib.crc32(b"".join(straight(each, records_of(each, rows_of(7, disorder_s=3))) for each in plans)))
