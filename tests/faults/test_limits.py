"""Too little memory, too few files: a clean stop or a slower way, never a lost or a blamed row."""

from __future__ import annotations

import signal
from pathlib import Path

from engine.shells.store import read_only
from tests.kill.process import Run, desk, verify
from tests.kill.project import START, event, make, write_events
from tests.kill.test_kill import RECORDED, finished, only_counting

MANY = 12_000
# What Python makes of a part of it that fails and does not say why, and of its own end without memory.
WITHOUT_A_WORD = ("SystemError: ", "MemoryError")


def test_out_of_memory_loses_nothing_and_blames_no_row(tmp_path: Path) -> None:
    """A clean stop that says so, unless it is msgspec that gets no memory: then the process ends without the reason."""
    with desk(tmp_path / "desk.jsonl") as port:
        file = make(tmp_path, port, batch=4_000) / "data" / "usage.jsonl"
        only_counting(tmp_path)
        note = "x" * 6_000
        with file.open("w") as writing:
            for n in range(MANY):
                customer = f"c{n if n < MANY - 90 else n // 3}"
                writing.write(event(n, "login.failed", START + n, customer, note=note))
        needed, clean = needed_kib(tmp_path), 0
        for more in (20_000, 23_000, 26_000, 28_500, 31_000):
            starved = Run(tmp_path, RECORDED, limits=f"-v {needed + more}")
            if starved.end(60) != -signal.SIGSEGV:
                assert starved.end() == 1, starved.said()
                said = any(line.startswith("beforehand: out of memory; nothing is lost") for line in starved.lines)
                assert said or any(word in starved.said() for word in WITHOUT_A_WORD), starved.said()
                clean += said
        assert clean, "none of them could say what it was"
        assert not list(read_only(tmp_path / "state").dead_letters())
        verify(tmp_path, finished(tmp_path))


def needed_kib(folder: Path) -> int:
    """How much address space it takes to get as far as being ready."""
    run = Run(folder, "--follow")
    run.until_ready()
    status = Path(f"/proc/{run.process.pid}/status").read_text()
    run.kill()
    (folder / "state" / "state.db").unlink()
    peak = next(line for line in status.splitlines() if line.startswith("VmPeak"))
    return int(peak.split()[1])


def test_more_files_than_may_be_open_at_once(tmp_path: Path) -> None:
    """Files wait closed until their time has come, so a year of daily files needs few at a time."""
    with desk(tmp_path / "desk.jsonl") as port:
        data = make(tmp_path, port) / "data"
        for day in range(120):
            at = START + day * 86_400_000
            rows = [event(day * 10 + n, "login", at + n * 1_000, f"c{n}") for n in range(10)]
            (data / f"usage-{day:03}.jsonl").write_text("".join(rows))
        run = Run(tmp_path, RECORDED, limits="-n 60")
        assert run.end() == 0, run.said()
        verify(tmp_path, finished(tmp_path))


def test_too_few_files_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl") as port:
        data = make(tmp_path, port) / "data"
        for part in range(60):
            rows = [event(part * 100 + n, "login", START + n * 60_000 + part, f"c{n}") for n in range(20)]
            (data / f"usage-{part:03}.jsonl").write_text("".join(rows))
        run = Run(tmp_path, RECORDED, limits="-n 40")
        assert run.end() == 1, run.said()
        assert run.lines[-1].startswith("beforehand: ")
        assert "Too many open files" in run.lines[-1]
        assert "Traceback" not in run.said()
        verify(tmp_path, finished(tmp_path))


def test_a_desk_is_not_reached_without_a_free_socket_and_nothing_is_lost(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl") as port:
        write_events(make(tmp_path, port), seed=3, count=400)
        for limit in range(14, 30, 4):
            Run(tmp_path, RECORDED, limits=f"-n {limit}").end()
        verify(tmp_path, finished(tmp_path))
