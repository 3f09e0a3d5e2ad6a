"""No limit, quiet hour or consent is ever broken, whatever happens in which order and wherever it is interrupted.

Each story is checked against its own log: every message that went out is held against all that went out before it, the
clock on its reader's wall, and what they had said by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.core.holdout import PLACES, place_of
from engine.model import Action, Outcome
from engine.spec.policies import ConsentSpec, HoldoutSpec, LimitSpec, Policies, QuietHours, StopWords
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

# Friday; the night to Sunday has no hour from 2 to 3 in Rome. The other night of the year begins in October.
STARTS = (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC))
MINUTES = 6 * 24 * 60
ZONES = {"ada": ("Europe/Rome",), "bob": ("America/New_York",), "eve": ("Europe/Lisbon", "Europe/Helsinki")}
ACCOUNTS = {"ada": "acme", "bob": "acme"}
PLAYS = (
    play("help", channel="email"),
    play("gift", channel="email", purpose="marketing", tags=("gift",), value=2),
    play("poll", channel="sms", purpose="marketing", fallback=("email",)),
    play("text", channel="sms", fallback=("email",), expires="8h"),
    play("terms", channel="email", mandatory=True),
    play("lock", channel="sms", purpose="critical"),
    play("chat", channel="sms", in_session=True, expires="10m"),
)
NIGHT = QuietHours(from_minute=21 * 60, to_minute=8 * 60, unknown_zone=ZONES["eve"], days=(6,))
LIMITS = (
    LimitSpec(at_most=2, over_ms=ms("1d")),
    LimitSpec(at_most=4, over_ms=ms("3d"), per="account", reserve=1),
    LimitSpec(at_most=1, over_ms=ms("2d"), channels=("sms",)),
    LimitSpec(at_most=1, over_ms=ms("4d"), classes=("marketing",), tags=("gift",)),
)
STOP = StopWords(event="answered", channel="sms", field="text", words=("stop",))
CONSENT = ConsentSpec(given=("yes",), withdrawn=("no",), stop=STOP)
HOLDOUT = HoldoutSpec(salt="law", places_by_class={"marketing": PLACES // 2})
RULES = Policies(limits=LIMITS, quiet_hours=NIGHT, consent=CONSENT, holdout=HOLDOUT)


class Happening(msgspec.Struct, frozen=True):
    """At a minute, a customer gives reason for a play, says something, or the engine is restarted."""

    minute: int
    what: str
    who: str
    channel: str
    purpose: str


happenings = st.lists(
    st.builds(
        Happening,
        st.integers(0, MINUTES // 30).map(lambda half_hour: half_hour * 30),  # so that spans end exactly, too
        st.sampled_from([*(each.name for each in PLAYS), "yes", "no", "answered", "restart"]),
        st.sampled_from(list(ZONES)),
        st.sampled_from(["email", "sms", ""]),
        st.sampled_from(["marketing", "service", "gift", ""]),
    ),
    min_size=25,
    max_size=60,
)


def specs() -> Iterator[PlaySpec]:
    for each in PLAYS:
        wanted = watch(each.name, "count", each.name, over="4w")
        yield detector(each.name, "session", compare(each.name, "at_least", 1), wanted, plays=(each.name,))


def told(story: Sequence[Happening], start: datetime, wait: str, *, restarts: bool = True) -> World:
    world = World(*specs(), start=round(start.timestamp() * 1000), plays=PLAYS, policies=RULES, wait_ms=ms(wait))
    for who, zones in ZONES.items():
        zone = {"time_zone": zones[0]} if len(zones) == 1 else {}
        world.hears("profile", "0s", stream="people", customer=who, **_account(who), **zone)
    for number, each in enumerate(sorted(story, key=lambda one: one.minute)):
        at, whose = f"{each.minute}m", {"customer": each.who, **_account(each.who)}
        if each.what == "restart":
            if restarts:
                world.restart()
        elif each.what in ("yes", "no", "answered"):
            about = {name: said for name, said in (("channel", each.channel), ("purpose", each.purpose)) if said}
            world.event(each.what, at, stream="people", text="Stop", **whose, **about)
        else:
            world.event(each.what, at, session=f"s{number}", **whose)
    world.wait_until(f"{MINUTES + 4 * 24 * 60}m")
    return world


def _account(who: str) -> dict[str, str]:
    return {"account": ACCOUNTS[who]} if who in ACCOUNTS else {}


def log_of(world: World) -> list[bytes]:
    return [msgspec.json.encode(decision) for decision in world.done.decisions]


starts, waits = st.sampled_from(STARTS), st.sampled_from(["0s", "45m"])


@given(story=happenings, start=starts, wait=waits)
def test_no_limit_quiet_hour_or_consent_is_broken(story: list[Happening], start: datetime, wait: str) -> None:
    world = told(story, start, wait)
    sent = world.done.actions
    assert len({action.id for action in sent}) == len(sent), "nothing goes out twice"
    for place, action in enumerate(sent):
        assert not full(action, sent[: place + 1]), action
        assert not at_night(action), action
        assert not unwanted(action, story, world), action
        assert not held_out(action), action


@given(story=happenings, start=starts, wait=waits)
def test_restarts_make_no_difference_to_what_was_decided(story: list[Happening], start: datetime, wait: str) -> None:
    assert log_of(told(story, start, wait)) == log_of(told(story, start, wait, restarts=False))


@given(story=happenings, start=starts, wait=waits)
def test_every_candidate_ends_with_one_answer(story: list[Happening], start: datetime, wait: str) -> None:
    """What is held comes again, and nothing is left waiting days later."""
    world = told(story, start, wait)
    answers = [decision for decision in world.done.decisions if decision.outcome is not Outcome.HELD]
    wanted = sum(each.what in {spec.name for spec in PLAYS} for each in story)
    assert len(answers) == len({decision.signal_id for decision in answers}) == wanted
    assert world.chain.units.waiting == set()


def test_the_stories_reach_every_gate() -> None:
    """Else the laws above would hold for nothing."""
    story = [
        Happening(minute, name, who, "", "")
        for minute in range(2 * 24 * 60, MINUTES, 7 * 60)
        for who in ZONES
        for name in ("help", "gift", "text", "chat", "poll")
    ]
    agreed = [Happening(0, "yes", who, "", "") for who in ZONES]
    late = Happening(21 * 60, "text", "eve", "", "")
    refused = [Happening(MINUTES - 24 * 60, "answered", who, "", "") for who in ZONES]
    gates = {decision.gate for decision in told([*agreed, late, *story, *refused], STARTS[0], "0s").done.decisions}
    assert gates == {"", "consent", "limits", "quiet_hours", "expired", "arbitration", "holdout"}


# ---- the rules, as plainly as they can be said


def full(action: Action, sent: Sequence[Action]) -> bool:
    """Is there a limit of which this one, and those before it, are too many?"""
    return (
        spec_of(action).purpose != "critical"
        and not spec_of(action).mandatory
        and any(_too_many(limit, action, sent) for limit in LIMITS)
    )


def _too_many(limit: LimitSpec, action: Action, sent: Sequence[Action]) -> bool:
    counted = [
        one
        for one in sent
        if action.at - limit.over_ms < one.at <= action.at
        and (one.recipient == action.recipient if limit.per == "customer" else one.unit == action.unit)
        and (not limit.classes or one.purpose in limit.classes)
        and (not limit.channels or one.channel in limit.channels)
        and (not limit.tags or set(limit.tags) & set(spec_of(one).tags))
    ]
    if action not in counted:
        return False
    marketing = sum(one.purpose == "marketing" for one in counted)
    too_much_marketing = action.purpose == "marketing" and marketing > limit.at_most - limit.reserve
    return len(counted) > limit.at_most or too_much_marketing


def at_night(action: Action) -> bool:
    moment = datetime.fromtimestamp(action.at / 1000, UTC)
    zones = ZONES[action.recipient.removeprefix("customer:")]
    asleep = any(NIGHT.is_quiet(moment.astimezone(ZoneInfo(zone))) for zone in zones)
    return asleep and spec_of(action).purpose != "critical" and not spec_of(action).in_session


def unwanted(action: Action, story: Sequence[Happening], world: World) -> bool:
    """By the newest word on its channel and purpose. What is said at the very moment may have come before or after."""
    purposes = {"", action.purpose, *spec_of(action).tags}
    words = []
    for each in story:
        at = world.start + each.minute * 60_000
        closes = each.what == "answered"
        channel, purpose = ("sms", "") if closes else (each.channel, each.purpose)
        concerns = each.what in ("yes", "no", "answered") and f"customer:{each.who}" == action.recipient
        if concerns and at <= action.at and channel in ("", action.channel) and purpose in purposes:
            words.append((at, each.what != "yes"))
    if any(at == action.at for at, _no in words):
        return False
    if not words:
        return action.purpose == "marketing"
    return max(words)[1]


def held_out(action: Action) -> bool:
    whose = action.unit if action.unit.startswith("account:") else action.recipient
    return action.purpose == "marketing" and place_of("law", "marketing", whose) < PLACES // 2


def spec_of(action: Action) -> PlaySpec:
    return next(each for each in PLAYS if each.name == action.play)
