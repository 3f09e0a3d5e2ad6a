"""What a round does: intents first, results after, a lane per sink, and when an action goes again."""

import asyncio
import itertools

import pytest

from engine.ports import Delivered, Rejected, Retry, Unknown
from engine.shells.ledger import Settled, State

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


async def test_an_action_is_delivered_once_and_its_reference_kept(bench, receiver, action):
    desk = receiver()
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    assert await dispatcher.round() == 1
    assert await dispatcher.round() == 0
    assert desk.got == ["a1"]
    assert bench.row("a1").state == State.DELIVERED
    assert bench.said() == [("delivered", "a1")]


async def test_the_same_id_has_no_second_effect(bench, receiver, action):
    desk = receiver()
    dispatcher = await bench.start(desk=desk)
    assert bench.add(action("a1"), action("a1")) == 1
    await dispatcher.round()
    assert bench.add(action("a1", text="derived again")) == 0
    await dispatcher.round()
    assert desk.got == ["a1"]


async def test_the_intent_is_on_the_disk_before_the_send(bench, receiver, action):
    seen = []

    def look():
        other = bench.opened()
        seen.append((other.get("a1").state, other.get("a1").attempts))
        return Delivered()

    bench.add(action("a1"))
    dispatcher = await bench.start(desk=receiver(look))
    await dispatcher.round()
    assert seen == [("intent", 1)]


async def test_retries_follow_the_schedule_and_end_after_eight_attempts(bench, receiver, action):
    desk = receiver(*[Retry("busy")] * 8)
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    times = []
    while bench.waiting():
        if await dispatcher.round():
            times.append(bench.now)
        bench.now += 1_000
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits == [5_000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, HOUR]
    assert bench.row("a1").state == State.REJECTED
    assert bench.reports[-1].why == "gave up after 8 attempts: busy"


async def test_a_time_named_by_the_receiver_holds_for_the_whole_lane_and_at_most_an_hour(bench, receiver, action):
    desk = receiver(Retry("slow down", after_ms=30 * DAY))
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.add(action("a2"))
    bench.now += HOUR - 1
    assert await dispatcher.round() == 0
    bench.now += 1
    assert await dispatcher.round() == 2
    assert desk.got == ["a1", "a1", "a2"] or desk.got == ["a1", "a2", "a1"]


async def test_what_has_expired_is_not_sent(bench, receiver, action):
    desk = receiver()
    bench.add(action("old", expires_at=bench.now), action("new", expires_at=bench.now + 1))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    assert desk.got == ["new"]
    assert bench.row("old").state == State.EXPIRED


async def test_critical_actions_go_first(bench, receiver, action):
    desk = receiver()
    bench.add(action("m", purpose="marketing"), action("s"), action("c", purpose="critical"))
    await (await bench.start(desk=desk)).round()
    assert desk.got == ["c", "s", "m"]


async def test_unknown_goes_again_with_the_same_id_where_the_receiver_is_idempotent(bench, receiver, action):
    desk = receiver(Unknown("cut off"), idempotent_for_ms=DAY)
    bench.add(action("a1"))
    await bench.until_settled(await bench.start(desk=desk))
    assert desk.got == ["a1", "a1"]
    assert bench.row("a1").state == State.DELIVERED


async def test_unknown_waits_for_a_person_where_the_receiver_is_not_idempotent(bench, receiver, action):
    sms = receiver(Unknown("cut off"))
    bench.add(action("a1", channel="sms"))
    await bench.until_settled(await bench.start(sms=sms))
    assert sms.got == ["a1"]
    assert bench.row("a1").state == State.UNKNOWN


async def test_a_critical_action_goes_once_more_and_is_flagged(bench, receiver, action):
    sms = receiver(Unknown("cut off"), Unknown("cut off again"))
    bench.add(action("a1", channel="sms", purpose="critical"))
    await bench.until_settled(await bench.start(sms=sms))
    assert sms.got == ["a1", "a1"]
    assert bench.row("a1").state == State.UNKNOWN
    assert [report.possible_duplicate for report in bench.reports] == [True, True]


async def test_an_id_that_the_receiver_may_have_forgotten_is_not_sent_again(bench, receiver, action):
    desk = receiver(Unknown("cut off"), idempotent_for_ms=HOUR)
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.now += HOUR
    await dispatcher.round()
    assert desk.got == ["a1"]
    assert bench.row("a1").state == State.UNKNOWN


async def test_the_receivers_memory_counts_from_the_first_attempt_in_doubt(bench, receiver, action):
    desk = receiver(*[Unknown("cut off")] * 8, idempotent_for_ms=5 * MINUTE)
    bench.add(action("a1"))
    first = bench.now
    await bench.until_settled(await bench.start(desk=desk))
    assert bench.row("a1").doubtful_at == first
    assert len(desk.got) == 4  # at 0 s, 5 s, 35 s and 155 s; the next one would come after ten minutes more
    assert bench.row("a1").state == State.UNKNOWN


async def test_a_late_result_does_not_undo_a_delivery(bench, receiver, action):
    bench.add(action("a1"))
    await (await bench.start(desk=receiver())).round()
    with bench.ledger.transaction():
        bench.ledger.settle("a1", Settled(state=State.RETRY, why="late"), bench.now)
    assert bench.row("a1").state == State.DELIVERED


async def test_a_refusal_after_a_doubtful_attempt_stays_unknown(bench, receiver, action):
    desk = receiver(Unknown("cut off"), Rejected("no such ticket"), idempotent_for_ms=DAY)
    bench.add(action("a1"))
    await bench.until_settled(await bench.start(desk=desk))
    assert bench.row("a1").state == State.UNKNOWN
    assert bench.reports[-1].why == "no such ticket; an earlier attempt may have taken effect"


async def test_a_hanging_sink_is_unknown_in_time_and_delays_no_other(bench, receiver, action):
    slow, quick = receiver(), receiver()
    slow.hangs = True
    bench.add(action("a1", channel="sms"), action("a2"))
    dispatcher = await bench.start(sms=slow, desk=quick)
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: bench.said() == [("delivered", "a2")])
    await until(lambda: ("unknown", "a1") in bench.said())
    assert bench.reports[-1].why == "no answer in 0.2 s"
    await dispatcher.drain(1_000)
    await running


async def test_a_sink_that_ignores_cancellation_holds_nothing_up(bench, receiver, action):
    class Stubborn(receiver):
        async def send(self, action):
            while True:
                try:
                    await asyncio.sleep(0.4)
                    return Delivered()
                except asyncio.CancelledError:
                    continue

    bench.add(action("a1"))
    dispatcher = await bench.start(desk=Stubborn())
    await asyncio.wait_for(dispatcher.round(), 0.35)
    assert bench.row("a1").state == State.UNKNOWN
    await asyncio.sleep(0.45)


async def test_a_sink_that_raises_makes_the_outcome_unknown_and_tells_no_text(bench, receiver, action):
    def fail():
        raise ValueError("token=hunter2")

    bench.add(action("a1"))
    await (await bench.start(desk=receiver(fail))).round()
    assert bench.row("a1").state == State.UNKNOWN
    assert bench.reports[-1].why == "the sink raised ValueError, which is a fault in the sink"


async def test_a_revoked_key_pauses_the_channel_and_a_trial_resumes_it(bench, receiver, action):
    desk = receiver(Rejected("answered 401", pause=True))
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    bench.add(action("a2"), action("a3"))
    assert await dispatcher.round() == 0
    assert bench.ledger.pauses()["desk"].why == "answered 401"
    bench.now += 10 * MINUTE
    assert await dispatcher.round() == 1
    assert bench.ledger.pauses() == {}
    await dispatcher.round()
    assert sorted(desk.got) == ["a1", "a1", "a2", "a3"]
    assert [what for what, _ in bench.said()].count("paused") == 1
    assert ("resumed", "") in bench.said()


async def test_a_pause_ends_at_the_next_start(bench, receiver, action):
    bench.add(action("a1"))
    dispatcher = await bench.start(desk=receiver(Rejected("answered 401", pause=True)))
    await dispatcher.round()
    await bench.start(desk=receiver())
    assert bench.ledger.pauses() == {}


async def test_after_trouble_nothing_further_of_the_batch_is_begun(bench, receiver, action):
    desk = receiver(*[Retry("down")] * 4, idempotent_for_ms=DAY)
    bench.add(*(action(f"a{n}") for n in range(20)))
    dispatcher = await bench.start(desk=desk)
    await dispatcher.round()
    assert len(desk.got) == 4
    counts = bench.ledger.counts()
    assert counts == {("desk", State.RETRY): 4, ("desk", State.PENDING): 16}
    assert all(bench.row(f"a{n}").attempts == 0 for n in range(4, 20))


async def test_drain_waits_for_what_is_in_flight(bench, receiver, action):
    release = asyncio.Event()

    class Slow(receiver):
        async def send(self, action):
            self.got.append(action.id)
            await release.wait()
            return Delivered()

    desk = Slow(idempotent_for_ms=DAY)
    bench.add(*(action(f"a{n}") for n in range(9)))
    dispatcher = await bench.start(desk=desk)
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: len(desk.got) == 4)
    asyncio.get_running_loop().call_later(0.05, release.set)
    await dispatcher.drain(1_000)
    await running
    assert bench.ledger.counts() == {("desk", State.DELIVERED): 4, ("desk", State.PENDING): 5}


async def test_drain_records_what_does_not_answer_as_unknown(bench, receiver, action):
    desk = receiver()
    desk.hangs = True
    bench.bounds = type(bench.bounds)(send_timeout_ms=60_000)
    bench.add(*(action(f"a{n}") for n in range(6)))
    dispatcher = await bench.start(desk=desk)
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: len(desk.got) == 4)
    await asyncio.wait_for(dispatcher.drain(50), 1)
    await running
    assert bench.ledger.counts() == {("desk", State.UNKNOWN): 4, ("desk", State.PENDING): 2}


async def test_an_action_for_a_channel_without_a_sink_is_held(bench, action):
    bench.add(action("a1", channel="fax"))
    assert bench.row("a1").state == State.HELD


async def test_actions_of_a_sink_that_was_removed_are_reported(bench, receiver, action):
    bench.add(action("a1", channel="sms"))
    await bench.start(desk=receiver())
    assert [report.what for report in bench.reports] == ["stranded"]


async def test_a_person_may_release_what_is_held_or_unknown(bench, receiver, action):
    sms = receiver(Unknown("cut off"))
    bench.add(action("a1", channel="sms"))
    dispatcher = await bench.start(sms=sms)
    await dispatcher.round()
    with bench.ledger.transaction():
        assert bench.ledger.release(["a1"], "released by mo") == 1
    await dispatcher.round()
    assert sms.got == ["a1", "a1"]
    assert bench.row("a1").possible_duplicate


async def test_pruning_forgets_only_what_is_closed(bench, receiver, action):
    bench.add(action("a1"), action("a2", channel="sms"))
    await (await bench.start(desk=receiver())).round()
    with bench.ledger.transaction():
        assert bench.ledger.prune(bench.now) == 0
        assert bench.ledger.prune(bench.now + 1) == 1
    assert bench.ledger.get("a1") is None
    assert bench.ledger.oldest() == {State.PENDING: bench.now}


async def until(holds):
    async with asyncio.timeout(3):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def nothing_left_open(recwarn):
    """No test leaves an error behind that asyncio would complain of."""
    yield
    assert not [warning for warning in recwarn if "never" in str(warning.message)]
