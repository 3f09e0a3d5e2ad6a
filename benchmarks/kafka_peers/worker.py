"""A `beforehand worker` as a process that is watched from outside: its processor's time, its memory, its readiness."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import events

LOOK_EVERY_S = 0.05
READY_WITHIN_S = 120
TICKS = os.sysconf("SC_CLK_TCK")
LAG = re.compile(
    r'^beforehand_consumer_lag_records{partition="(?P<partition>\d+)",topic="(?P<topic>[^"]+)"} (?P<value>\S+)$', re.M
)


@dataclass(frozen=True)
class Look:
    """What was seen at one moment of wall time."""

    at: float
    cpu_seconds: float


class Worker:
    """One process with a configuration and a state folder of its own.

    `kafka` are lines for the project file's `kafka:` block. The broker is named in the environment.
    """

    def __init__(self, folder: Path, servers: str, kafka: str, topic: str) -> None:
        self.folder = folder
        self.looks: list[Look] = []
        self._servers = servers
        self._process: subprocess.Popen[bytes] | None = None
        self._watching: threading.Thread | None = None
        self._port = 0
        events.write_project(folder / "config", topic, f"kafka:\n{kafka}")

    def start(self) -> None:
        """Also starts to look at it every now and then."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        command = [str(Path(sys.executable).parent / "beforehand"), "worker", "--config", str(self.folder / "config")]
        command += ["--state", str(self.folder / "state"), "--metrics-host", "127.0.0.1"]
        command += ["--metrics-port", str(self._port)]
        log = (self.folder / "worker.log").open("ab")
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self._servers}
        self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def forget(self) -> None:
        """Take its local files away, so that its next start has the topics alone."""
        shutil.rmtree(self.folder / "state")

    def wait_until_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if time.monotonic() > until:
                raise WorkerFailed(f"it was not ready within {READY_WITHIN_S} s", self.folder)
            self.must_live()
            time.sleep(LOOK_EVERY_S)

    def must_live(self) -> None:
        if self._process is None or self._process.poll() is not None:
            raise WorkerFailed("it has ended", self.folder)

    def _is_ready(self) -> bool:
        return self._ask("readyz") is not None

    def lag(self, topic: str) -> dict[str, float]:
        """How many records of each partition of a topic that it has are still to be taken, as it says itself."""
        told = self._ask("metrics") or ""
        return {
            each["partition"]: float(each["value"])
            for each in map(re.Match.groupdict, LAG.finditer(told))
            if each["topic"] == topic
        }

    def _ask(self, path: str) -> str | None:
        """What it answers, None unless it is a yes."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def is_quiet(self, seconds: float, share: float) -> bool:
        """Has it used less than this share of one processor for so long?"""
        if not self.looks or self.looks[-1].at - self.looks[0].at < seconds:
            return False
        last = self.looks[-1]
        before = next(look for look in reversed(self.looks) if look.at <= last.at - seconds)
        return (last.cpu_seconds - before.cpu_seconds) / (last.at - before.at) < share

    def cpu_between(self, begin: float, end: float) -> float:
        """Seconds of processor's time between two moments of wall time."""
        return self._cpu_at(end) - self._cpu_at(begin)

    def _cpu_at(self, moment: float) -> float:
        return next((look.cpu_seconds for look in self.looks if look.at >= moment), self.looks[-1].cpu_seconds)

    @property
    def peak_mb(self) -> float:
        """The most memory that it has held so far."""
        assert self._process is not None
        told = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in told if line.startswith("VmHWM"))

    def _watch(self) -> None:
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/stat")
        while self._process.poll() is None:
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                return
            self.looks.append(Look(time.time(), (int(fields[11]) + int(fields[12])) / TICKS))
            time.sleep(LOOK_EVERY_S)


class WorkerFailed(Exception):
    """With the last that it wrote."""

    def __init__(self, why: str, folder: Path) -> None:
        log = folder / "worker.log"
        wrote = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
        super().__init__(" | ".join([f"the worker: {why}", *wrote]))
