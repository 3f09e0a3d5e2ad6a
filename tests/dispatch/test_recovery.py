"""A crash between any two steps, and a database that is an older copy of itself."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import OperatorError
from engine.ports import Delivered, SinkContext
from engine.shells.ledger import BEFORE_EPOCH, State
from sinks.file import Options, Sink

DAY = 86_400_000
POINTS = ["D2", "D2b", "D3", "D4", "D5"]


class Remembering:
    """A receiver outside the process: it survives crashes and drops ids that it has seen."""

    idempotent = True
    idempotent_for_ms = DAY

    def __init__(self):
        self.effects = []
        self.requests = 0

    async def open(self):
        pass

    async def send(self, action):
        self.requests += 1
        if action.id not in self.effects:
            self.effects.append(action.id)
        return Delivered()

    async def close(self):
        pass


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_point_repeats_no_effect_and_loses_none(bench, action, crash, point):
    desk = Remembering()
    bench.add(*(action(f"a{n}") for n in range(6)))
    bench.crash_at = point
    dispatcher = await bench.start(desk=desk)
    with pytest.raises(crash):
        await dispatcher.round()
    await bench.until_settled(await bench.start(desk=desk))
    assert sorted(desk.effects) == [f"a{n}" for n in range(6)]
    assert bench.ledger.counts() == {("desk", State.DELIVERED): 6}


@pytest.mark.parametrize("point", POINTS)
async def test_a_receiver_without_memory_never_gets_an_action_twice(bench, receiver, action, crash, point):
    sms = receiver()
    bench.add(*(action(f"a{n}", channel="sms") for n in range(3)))
    bench.crash_at = point
    dispatcher = await bench.start(sms=sms)
    with pytest.raises(crash):
        await dispatcher.round()
    await bench.until_settled(await bench.start(sms=sms))
    assert len(sms.got) == len(set(sms.got))
    states = {state for _, state in bench.ledger.counts()}
    assert states == ({State.DELIVERED} if point in ("D2", "D5") else {State.UNKNOWN})


@pytest.mark.parametrize("point", POINTS)
async def test_a_file_is_asked_and_holds_every_action_once(bench, action, crash, point):
    def log():
        return Sink(Options(path="out.jsonl"), SinkContext(name="log", folder=str(bench.folder), project="p"))

    bench.add(*(action(f"a{n}") for n in range(5)))
    bench.crash_at = point
    dispatcher = await bench.start(desk=log())
    with pytest.raises(crash):
        await dispatcher.round()
    await dispatcher.close()  # its thread lives on here, as it would not in a process that is gone
    await bench.until_settled(again := await bench.start(desk=log()))
    await again.close()
    await dispatcher.close()
    lines = (bench.folder / "out.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert bench.ledger.counts() == {("desk", State.DELIVERED): 5}


async def test_what_never_began_is_sent_after_a_crash_before_the_intent(bench, receiver, action, crash):
    sms = receiver()
    bench.add(action("a1", channel="sms"))
    bench.crash_at = "D2"
    with pytest.raises(crash):
        await (await bench.start(sms=sms)).round()
    await bench.until_settled(await bench.start(sms=sms))
    assert sms.got == ["a1"]


async def test_where_doubt_needs_a_person_a_crash_leaves_no_more_in_doubt_than_was_in_flight(
    bench, receiver, action, crash
):
    bench.add(*(action(f"a{n}", channel="sms") for n in range(20)))
    bench.crash_at = "D2b"
    dispatcher = await bench.start(sms=receiver())
    with pytest.raises(crash):
        await dispatcher.round()
    await bench.start(sms=receiver())
    assert bench.ledger.counts()["sms", State.UNKNOWN] == 4


async def test_an_older_copy_of_the_database_is_refused(bench, receiver, action):
    await restored_before_sending(bench, receiver, action)
    with pytest.raises(OperatorError, match="looks like a restored backup"):
        await bench.start(desk=receiver())


async def test_with_an_epoch_older_actions_are_held_also_those_that_come_later(bench, receiver, action):
    await restored_before_sending(bench, receiver, action)
    desk = receiver()
    epoch = bench.now + 1_000
    dispatcher = await bench.start(epoch_ms=epoch, desk=desk)
    bench.add(action("derived-again", at=epoch - 1), action("new", at=epoch))
    await dispatcher.round()
    assert desk.got == ["new"]
    assert bench.row("a1").state == bench.row("derived-again").state == State.HELD
    await bench.start(desk=desk)


async def test_a_database_that_has_sent_and_lost_its_mark_is_refused(bench, receiver, action):
    bench.add(action("a1"))
    await (await bench.start(desk=receiver())).round()
    (bench.folder / "ledger.mark").unlink()
    with pytest.raises(OperatorError, match=r"its ledger\.mark is gone"):
        await bench.start(desk=receiver())


async def test_a_deleted_database_is_noticed(bench, receiver, action):
    bench.add(action("a1"))
    await (await bench.start(desk=receiver())).round()
    for file in bench.folder.glob("state.db*"):
        file.unlink()
    with pytest.raises(OperatorError):
        await bench.start(desk=receiver())


async def test_a_broken_mark_stops_the_start(bench, receiver):
    (bench.folder / "ledger.mark").write_text("not a number")
    with pytest.raises(OperatorError, match="cannot be read"):
        await bench.start(desk=receiver())


async def restored_before_sending(bench, receiver, action):
    """Yesterday's copy holds a1 as pending; today a1 was sent."""
    bench.add(action("a1"))
    await bench.start(desk=receiver())
    bench.ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(bench.folder / "state.db", bench.folder / "backup")
    await (await bench.start(desk=receiver())).round()
    for connection in bench.connections:
        connection.close()
    shutil.copy(bench.folder / "backup", bench.folder / "state.db")


@pytest.mark.parametrize("point", ["D2:2", "D2b:2", "D3:7", "D4:2", "D5:1"])
def test_a_killed_process_leaves_every_action_in_the_file_once(tmp_path, point):
    script = Path(__file__).with_name("send_all.py")
    run = [sys.executable, str(script), str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run(run, env={**env, "FAULT_AT": point}, capture_output=True, timeout=20)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    finished = subprocess.run(run, env=env, capture_output=True, timeout=20)
    assert finished.returncode == 0, finished.stderr.decode()
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 80
    assert BEFORE_EPOCH not in finished.stdout.decode()
