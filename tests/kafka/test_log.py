"""A partition's log and its copy beside it: who counts, what is restored, and what is cut away."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from engine.errors import OperatorError
from engine.shells.kafka import log as logs
from engine.shells.kafka import renewal
from engine.shells.kafka import replica as replicas
from engine.shells.kafka.log import Fenced, Marker, PartitionLog
from engine.shells.kafka.replica import Replica
from tests.kafka.memory_link import MemoryLink


def log_of(link: Any, writer: str) -> PartitionLog:
    return PartitionLog(link, "log.detect", 0, writer)


def entity(key: str, value: str) -> tuple[str, str, int, int, bytes]:
    return ("customer", key, 10, 20, value.encode())


async def taken_over(link: MemoryLink, folder: Path, writer: str) -> Replica:
    replica = Replica(log_of(link, writer), folder)
    await replica.restore()
    return replica


async def put(replica: Replica, position: int, **values: str) -> None:
    replica.put_entities([entity(key, value) for key, value in values.items()])
    await replica.commit({"events": position})


def known(replica: Replica) -> dict[str, bytes]:
    return {key: replica.entity("customer", key) or b"" for key in replica.entity_keys("customer")}


async def test_what_was_committed_is_there_for_the_next_owner(tmp_path: Path) -> None:
    link = MemoryLink()
    first = await taken_over(link, tmp_path / "a", "first")
    await put(first, 5, ann="1", ben="1")
    first.drop_entities([("customer", "ben")])
    first.put_units([("customer:ann", True, b"waiting")])
    first.row("pending", "k", b"row")
    first.fact("tick", b"7")
    await put(first, 9, ann="2")
    second = await taken_over(link, tmp_path / "b", "second")
    assert known(second) == {"ann": b"2"}
    assert second.head.positions == {"events": 9}
    assert second.head.facts == {"tick": b"7"}
    assert second.head.rows == {"pending": {"k": b"row"}}
    assert second.waiting_units() == {"customer:ann"}
    assert second.unit("customer:ann") == b"waiting"
    assert second.entity_counts() == {"customer": 1}


async def test_a_writer_that_has_lost_the_partition_is_void_and_learns_of_it(tmp_path: Path) -> None:
    link = MemoryLink()
    first = await taken_over(link, tmp_path / "a", "first")
    await put(first, 5, ann="1")
    second = await taken_over(link, tmp_path / "b", "second")
    with pytest.raises(Fenced, match="another owner"):
        await put(first, 9, ann="of the paused one")
    await put(second, 7, ben="2")  # whose own record lies behind the void one, which changes nothing
    third = await taken_over(link, tmp_path / "c", "third")
    assert known(third) == {"ann": b"1", "ben": b"2"}
    assert third.head.positions == {"events": 7}


async def test_a_record_larger_than_the_broker_takes_is_cut_and_counts_when_its_last_part_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PART_BYTES", 40)
    link = MemoryLink()
    first = await taken_over(link, tmp_path / "a", "first")
    await put(first, 5, ann="a" * 200)
    assert len(link.records) > 4
    whole = list(link.records)
    await put(first, 9, ann="b" * 200)
    link.records = link.records[:-1]  # the last part was never written
    second = await taken_over(link, tmp_path / "b", "second")
    assert known(second) == {"ann": b"a" * 200}
    assert second.head.positions == {"events": 5}
    assert whole == link.records[: len(whole)]


async def test_a_record_of_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    link = MemoryLink()
    await link.append("", 0, msgspec.msgpack.encode(Marker("newer", logs.VERSION + 1)))
    with pytest.raises(OperatorError, match=r"written by a newer beforehand .* upgrade this worker"):
        await taken_over(link, tmp_path, "me")


async def test_a_record_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path) -> None:
    link = MemoryLink()
    await link.append("", 0, b"garbage")
    with pytest.raises(OperatorError, match=r"log\.detect/0 at offset 0 cannot be read"):
        await taken_over(link, tmp_path, "me")


async def test_an_acknowledgement_that_was_lost_is_looked_for(tmp_path: Path) -> None:
    class Forgetful(MemoryLink):
        async def append(self, topic: str, partition: int, value: bytes) -> int:
            await super().append(topic, partition, value)
            return -1

    link = Forgetful()
    first = await taken_over(link, tmp_path / "a", "first")
    await put(first, 5, ann="1")
    await put(first, 6, ann="2")
    assert len(link.records) == 3
    assert first.log.end == 3


@pytest.mark.parametrize("seed", range(60))
async def test_whoever_comes_next_knows_what_counts(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners that come and go, die, wake up late, keep their files or lose them, while the log is written anew."""
    random = Random(seed)
    monkeypatch.setattr(logs, "PART_BYTES", 120)
    monkeypatch.setattr(replicas, "WAITING_BYTES", random.choice((0, 30, 10_000)))
    monkeypatch.setattr(replicas, "SLICE", 4)
    monkeypatch.setattr(renewal, "ROWS", 1)
    monkeypatch.setattr(replicas, "RENEW_BYTES", random.choice((200, 1_500)))
    monkeypatch.setattr(renewal, "SLICE_BYTES", 60)
    link, position, number = MemoryLink(), 0, 0
    oracle: dict[str, bytes] = {}
    owner = await taken_over(link, tmp_path / "0", "the first")
    paused: list[Replica] = []
    for step in range(120):
        if random.random() < 0.08:
            if random.random() < 0.5:
                owner.close(is_ours=random.random() < 0.5)
                number += random.random() < 0.4  # the same folder again, or another
                owner = await taken_over(link, tmp_path / str(number), f"w{step}")
            else:
                paused.append(owner)
                number += 1
                owner = await taken_over(link, tmp_path / str(number), f"w{step}")
        if paused and random.random() < 0.1:
            with pytest.raises(Fenced):
                await put(paused.pop(), position + 100, stale="void")
        changes = {f"c{random.randrange(12)}": f"{step}-{'x' * random.randrange(40)}" for _ in range(3)}
        gone = f"c{random.randrange(12)}" if random.random() < 0.2 else ""
        if gone and gone not in changes:
            owner.drop_entities([("customer", gone)])
            oracle.pop(gone, None)
        position += 1
        owner.row("held", "latest", str(step).encode())
        await put(owner, position, **changes)
        oracle |= {key: value.encode() for key, value in changes.items()}
        assert known(owner) == oracle
    last = await taken_over(link, tmp_path / "last", "last")
    assert known(last) == oracle
    assert last.entity_counts() == {"customer": len(oracle)}
    assert last.head.positions == {"events": position}
    assert last.head.rows["held"] == {"latest": b"119"}


async def test_a_log_that_has_grown_is_written_anew_and_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "RENEW_BYTES", 2_000)
    link = MemoryLink()
    owner = await taken_over(link, tmp_path / "a", "owner")
    for position in range(400):
        await put(owner, position, **{f"c{position % 7}": "x" * 50})
    size = sum(len(record.value) for record in link.records)
    assert link.begin > 0
    assert size < 400 * 60 / 3
    assert len(known(await taken_over(link, tmp_path / "b", "next"))) == 7
