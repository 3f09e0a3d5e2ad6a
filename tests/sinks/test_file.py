"""The file sink's promises about what is on the disk."""

import fcntl
import os
import resource

import pytest

from engine.errors import OperatorError
from engine.ports import Delivered, Retry, SinkContext, Unknown
from sinks.file import Options, Sink


@pytest.fixture
async def log(tmp_path):
    sink = Sink(Options(path="out.jsonl"), SinkContext(name="log", folder=str(tmp_path), project="p"))
    await sink.open()
    yield sink
    await sink.close()


async def test_a_line_that_a_crash_left_half_written_is_removed(log, tmp_path, action):
    await log.send(action("a1"))
    whole = (tmp_path / "out.jsonl").read_bytes()
    for cut in (3, 40, len(whole) - 3):
        (tmp_path / "out.jsonl").write_bytes(whole + whole[:cut])
        await log.open()
        assert (tmp_path / "out.jsonl").read_bytes() == whole


async def test_a_whole_line_that_lacks_only_its_end_is_kept(log, tmp_path, action):
    await log.send(action("a1"))
    whole = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "out.jsonl").write_bytes(whole[:-1])
    await log.open()
    assert (tmp_path / "out.jsonl").read_bytes() == whole
    assert await log.confirm("a1") == Delivered()


async def test_half_a_line_of_another_process_does_not_swallow_the_next(log, tmp_path, action):
    await log.send(action("a1"))
    whole = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "out.jsonl").write_bytes(whole + whole[:40])
    assert await log.send(action("a2")) == Delivered()
    assert await log.confirm("a2") == Delivered()


async def test_a_lock_that_another_process_never_lets_go_of_holds_nothing_up(log, tmp_path, action):
    """It may have been stopped in the middle of writing, so nobody can tell what it will still write."""
    await log.send(action("a1"))
    with (tmp_path / "out.jsonl").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await log.open()
        assert isinstance(await log.send(action("a2")), Retry)
        assert await log.confirm("a1") is None
    assert await log.send(action("a2")) == Delivered()


async def test_what_somebody_else_wrote_is_not_removed(log, tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b"a note without an end")
    await log.open()
    assert (tmp_path / "out.jsonl").read_bytes() == b"a note without an end\n"


async def test_an_id_inside_another_actions_text_does_not_count(log, action):
    await log.send(action("a1", text='see "a2"'))
    assert isinstance(await log.confirm("a2"), Retry)


async def test_a_full_disk_leaves_no_half_line(log, tmp_path, action):
    await log.send(action("a1"))
    size = (tmp_path / "out.jsonl").stat().st_size
    with file_size_limit(size + 100):
        assert isinstance(await log.send(action("a2")), Retry)
    assert (tmp_path / "out.jsonl").stat().st_size == size
    assert await log.send(action("a2")) == Delivered()


async def test_after_a_failed_sync_looking_proves_nothing(log, action, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        assert isinstance(await log.send(action("a1")), Unknown)
    assert await log.confirm("a1") is None


async def test_a_place_that_cannot_be_written_stops_the_start(tmp_path):
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(OperatorError, match="Cannot write actions to"):
        await Sink(Options(path="out.jsonl"), SinkContext(name="log", folder=str(tmp_path), project="p")).open()


class file_size_limit:  # noqa: N801  reads as a statement
    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
