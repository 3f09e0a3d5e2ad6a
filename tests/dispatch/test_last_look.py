"""The last look before a send: what somebody has said no to meanwhile, and whether it is night where they are."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from engine.ports import Delivered, Rejected, Retry, Unknown
from engine.shells.ledger import State
from engine.spec.policies import QuietHours

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WHY = "they do not want anything by desk any more"
NIGHT = QuietHours(from_minute=21 * 60, to_minute=8 * 60, unknown_zone=("Europe/Rome", "America/New_York"))
ROME, NEW_YORK = ("Europe/Rome",), ("America/New_York",)
# The nights in which the clocks change.
CHANGES = {ROME: ("2026-03-29", "2026-10-25"), NEW_YORK: ("2026-03-08", "2026-11-01")}


def moment(text: str) -> int:
    """`2026-01-05 22:00` in UTC as ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# ---- somebody said no


async def test_what_is_recalled_is_not_sent(bench, receiver, action):
    desk = receiver()
    bench.add(action("a1"), action("a2"))
    bench.recall("a1")
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    assert desk.got == ["a2"]
    assert bench.row("a1").state == State.RECALLED
    assert bench.said() == [("recalled", "a1"), ("delivered", "a2")]
    assert bench.settled == [("a1", "recalled"), ("a2", "delivered")]
    assert bench.ledger._db.execute("SELECT why FROM actions WHERE id = 'a1'").fetchone() == (WHY,)


async def test_what_waits_for_another_try_is_recalled_at_once(bench, receiver, action):
    desk = receiver(Retry("busy", after_ms=30 * MINUTE), Retry("busy"))
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.now += 30 * MINUTE
    await dispatcher.round()
    bench.recall("a1")
    assert await dispatcher.round() == 1
    assert desk.got == ["a1", "a1"]
    assert bench.row("a1").state == State.RECALLED


async def test_a_recall_that_comes_with_the_action_or_before_it_counts(bench, receiver, action):
    desk = receiver()
    bench.recall("a1")
    bench.add(action("a1"))
    await (await bench.start(desk=desk)).round()
    assert desk.got == []


async def test_a_recall_that_comes_between_intent_and_send_counts(bench, receiver, action):
    desk = receiver()
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    bench.at_point["D2b"] = lambda: bench.recall("a1")
    await dispatcher.round()
    assert desk.got == []
    assert bench.row("a1").state == State.RECALLED


async def test_what_was_on_its_way_is_not_sent_again(bench, receiver, action):
    """The race that remains: a request that has left. It is over when the request is."""

    def meanwhile():
        bench.recall("a1")
        return Retry("busy")

    desk = receiver(meanwhile)
    bench.add(action("a1"))
    await bench.until_settled(await bench.start(desk=desk))
    assert desk.got == ["a1"]
    assert bench.row("a1").state == State.RECALLED


async def test_what_may_have_arrived_is_not_said_to_be_recalled(bench, receiver, action):
    desk = receiver(Unknown("cut off"), idempotent_for_ms=DAY)
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.recall("a1")
    await bench.until_settled(dispatcher)
    assert desk.got == ["a1"]
    assert bench.row("a1").state == State.UNKNOWN


@pytest.mark.parametrize("point", ["D2", "D2b"])
async def test_a_recall_outlives_a_crash(point, bench, receiver, action, crash):
    desk = receiver(idempotent_for_ms=DAY)
    bench.add(action("a1"))
    bench.crash_at = point
    with pytest.raises(crash):
        await (await bench.start(desk=desk)).round()
    bench.recall("a1")
    await bench.until_settled(await bench.start(desk=desk))
    assert desk.got == []


async def test_what_was_held_for_a_person_is_not_sent_by_them_either(bench, receiver, action):
    desk = receiver()
    bench.add(action("a1"), channels={"other": "desk"})
    bench.recall("a1")
    with bench.ledger.transaction():
        bench.ledger._db.execute("UPDATE actions SET sink = 'desk'")
        assert bench.ledger.release(["a1"], "sent by hand") == 1
    await (await bench.start(desk=desk)).round()
    assert desk.got == []


async def test_recalls_are_forgotten_with_their_actions(bench):
    bench.recall("a1")
    with bench.ledger.transaction():
        assert bench.ledger.returns.prune(bench.now) == 0
        assert bench.ledger.returns.prune(bench.now + 1) == 1
    assert bench.ledger.returns.why_recalled("a1") == ""


# ---- the hour


async def test_what_comes_to_the_night_waits_for_the_morning(bench, receiver, action):
    """A retry, a pause or a stop can take an action into hours in which it would not have been decided."""
    bench.quiet, bench.now = NIGHT, moment("2026-01-05 19:59")  # 20:59 in Rome
    desk = receiver(Retry("busy", after_ms=5 * MINUTE))
    bench.add(action("a1", zones=ROME, at=bench.now), action("now", zones=(), at=bench.now))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.now += 5 * MINUTE
    await dispatcher.round()
    assert desk.got[-1:] == ["now"]
    assert desk.got.count("a1") == 1
    assert bench.ledger.next_due("desk") == moment("2026-01-06 07:00")
    assert ("postponed", "a1") in bench.said()
    assert bench.row("a1").attempts == 1
    bench.now = moment("2026-01-06 07:00")
    await (await bench.start(desk=desk)).round()
    assert desk.got.count("a1") == 2
    assert bench.row("a1").state == State.DELIVERED


async def test_what_is_worth_nothing_by_morning_expires_in_the_night(bench, receiver, action):
    bench.quiet, bench.now = NIGHT, moment("2026-01-05 21:00")
    desk = receiver()
    bench.add(action("a1", zones=ROME, expires_at=moment("2026-01-06 02:00")))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    assert bench.ledger.next_due("desk") == moment("2026-01-06 02:00")
    bench.now = moment("2026-01-06 02:00")
    await dispatcher.round()
    assert desk.got == []
    assert bench.row("a1").state == State.EXPIRED


async def test_a_process_held_up_into_the_night_does_not_send(bench, receiver, action):
    bench.quiet, bench.now = NIGHT, moment("2026-01-05 19:00")
    desk = receiver()
    bench.add(action("a1", zones=ROME))
    dispatcher = await bench.start(desk=desk)

    def nine_hours_later():
        bench.now += 9 * HOUR

    bench.at_point["D2b"] = nine_hours_later
    await dispatcher.round()
    await dispatcher.round()
    assert desk.got == []
    assert bench.ledger.next_due("desk") == moment("2026-01-06 07:00")
    assert bench.row("a1").attempts == 0


async def test_a_no_in_the_night_takes_back_what_waits_for_the_morning(bench, receiver, action):
    bench.quiet, bench.now = NIGHT, moment("2026-01-05 23:00")
    desk = receiver()
    bench.add(action("a1", zones=ROME))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.recall("a1")
    await dispatcher.round()
    assert bench.row("a1").state == State.RECALLED
    bench.now += DAY
    await dispatcher.round()
    assert desk.got == []


@pytest.mark.parametrize(("zone", "night"), [(zone, night) for zone, nights in CHANGES.items() for night in nights])
@pytest.mark.parametrize("seed", range(3))
async def test_no_clock_brings_anything_into_the_night(zone, night, seed, bench, receiver, action):
    """The clock on the wall jumps by an hour to and fro, and in these nights the clocks of the zone change as well."""
    random = Random(f"{zone} {night} {seed}")
    bench.quiet, bench.now = NIGHT, moment(f"{night} 00:00") - DAY
    sent: list[int] = []

    def look():
        sent.append(bench.now)
        return random.choice((Delivered(), Delivered(), Retry("busy", after_ms=HOUR), Rejected("no")))

    desk = receiver(*[look] * 1_000)
    dispatcher = await bench.start(desk=desk)
    for number in range(150):
        bench.add(action(f"a{number}", zones=zone, at=bench.now))
        await dispatcher.round()
        bench.now += random.choice((7 * MINUTE, 20 * MINUTE, HOUR, 90 * MINUTE, -HOUR))
        if number % 50 == 49:
            dispatcher = await bench.start(desk=desk)
    for _ in range(40):
        bench.now += HOUR
        await dispatcher.round()
    assert len(sent) > 50
    assert "postponed" in {what for what, _ in bench.said()}
    for at in sent:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone[0]))
        assert 8 <= local.hour < 21, f"sent at {local}"
