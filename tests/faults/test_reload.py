"""A configuration that changes under a running engine: what is wrong changes nothing, what is right takes effect."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from engine.shells.store import read_only
from tests.kill.process import Run
from tests.kill.project import event, make
from tests.kill.test_kill import only_counting

OK = "beforehand_config_last_reload_successful"


class Live:
    """A run that follows a file, with its metrics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.detectors = make(folder) / "config" / "detectors" / "all.yml"
        only_counting(folder)
        self.data = folder / "data" / "usage.jsonl"
        self.data.touch()
        self.run = Run(folder, "--follow", "--metrics-port", "0", env={"NO_SECRET": ""})
        self.port = int(re.search(r"port=(\d+)", self.run.until_it_says("serving")).group(1))  # type: ignore[union-attr]
        self.run.until_ready()
        self._written = 0

    def reload(self, text: str | bytes) -> None:
        self.detectors.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.run.process.send_signal(signal.SIGHUP)

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))  # type: ignore[union-attr]

    def break_in(self, customer: str) -> None:
        now = time.time_ns() // 1_000_000
        with self.data.open("a") as file:
            for _ in range(3):
                self._written += 1
                file.write(event(self._written, "login.failed", now, customer))

    def decided(self, customer: str) -> dict[str, str]:
        """The versions that the decision about somebody was made under, once there is one."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            found = list(read_only(self.folder / "state").decisions("break-in", customer))
            if found:
                return dict(found[0].versions)
            time.sleep(0.1)
        raise AssertionError(f"nothing was decided about {customer}: {self.run.said()}")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path)
    yield live
    live.run.process.kill()


def test_what_is_wrong_changes_nothing_and_what_is_right_takes_effect(live: Live) -> None:
    good = live.detectors.read_text()
    live.break_in("before")
    old = live.decided("before")
    for wrong, code in (
        (good.replace("when:", "when: ["), "all.yml"),
        (good[: len(good) // 2], "all.yml"),
        (good.replace("at_least: 3", "at_laest: 3"), "at_least"),
        (b"\xff\xfe\x00", "all.yml"),
    ):
        live.reload(wrong)
        assert code in live.run.until_it_says("configuration not taken")
        assert live.metric(OK) == 0
        live.reload(good)
        wait_for(lambda: live.metric(OK) == 1)
    live.break_in("during")
    assert live.decided("during") == old
    live.reload(good.replace("at_least: 3", "at_least: 2"))
    assert "configuration in force" in live.run.until_it_says("configuration in force")
    assert live.metric(OK) == 1
    live.break_in("after")
    assert live.decided("after")["configuration"] != old["configuration"]
    assert live.run.stop() == 0, live.run.said()


def test_a_secret_that_is_missing_leaves_the_old_configuration_in_force(live: Live) -> None:
    project = live.folder / "config" / "beforehand.yml"
    project.write_text(project.read_text().replace("allow_private: true,", "allow_private: true, token: env:NO_SUCH,"))
    live.run.process.send_signal(signal.SIGHUP)
    live.run.until_it_says("configuration not taken")
    live.break_in("still")
    assert live.decided("still")
    assert live.run.stop() == 0, live.run.said()


def test_a_reload_amid_a_stream_of_events_loses_none(live: Live) -> None:
    good = live.detectors.read_text()
    for number in range(30):
        live.break_in(f"c{number}")
        if number % 5 == 0:
            live.reload(good.replace("failed logins in", f"failed logins within, {number}:"))
    for number in range(30):
        live.decided(f"c{number}")
    assert live.run.stop() == 0, live.run.said()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_kill_switch_holds_from_the_next_batch_on(live: Live) -> None:
    live.break_in("before")
    live.decided("before")
    folder = live.detectors.parents[1]
    (folder / "snoozes.yml").write_text("snooze: all\nuntil: 2999-01-01\nbecause: it writes nonsense\n")
    live.run.process.send_signal(signal.SIGHUP)
    live.run.until_it_says("configuration in force")
    live.break_in("after")
    live.decided("after")
    (stopped,) = read_only(live.folder / "state").decisions("break-in", "after")
    assert (stopped.outcome, stopped.gate) == ("dropped", "snoozed")
    assert stopped.detail == "everything is snoozed until 2999-01-01 00:00 UTC: it writes nonsense"
