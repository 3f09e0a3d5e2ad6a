"""Starting, killing and stopping the real thing: `beforehand run` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BEFOREHAND = Path(sys.executable).with_name("beforehand")
READY = "configuration in force"


class Process:
    """One process. `lines` is everything it has said on standard error so far."""

    def __init__(self, folder: Path, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._said: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def until_ready(self, within_s: float = 20) -> None:
        self.until_it_says(READY, within_s)

    def until_it_says(self, words: str, within_s: float = 20) -> str:
        """Wait for a line with these words and return it. A process that ends before has said its last."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            try:
                line = self._said.get(timeout=0.05)
            except Empty:
                if self.process.poll() is not None and self._said.empty():
                    raise AssertionError(f"it ended with {self.process.returncode}: {self.said()}") from None
                continue
            if words in line:
                return line
        raise AssertionError(f"it did not say {words!r} in {within_s} s: {self.said()}")

    def kill(self) -> bool:
        """SIGKILL. Whether it was still alive."""
        self.process.send_signal(signal.SIGKILL)
        return self.end() == -signal.SIGKILL

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self, within_s: float = 30) -> int:
        """Its exit code, once it has ended by itself."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end in {within_s} s: {self.said()}") from None
        finally:
            self._reader.join(5)

    def said(self) -> str:
        return "".join(self.lines)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._said.put(line)


class Run(Process):
    """`beforehand run` on a folder made by `tests.kill.project`."""

    def __init__(self, folder: Path, *options: str, env: Mapping[str, str] | None = None, limits: str = "") -> None:
        """`limits` are arguments of `ulimit`, such as `-f 100`."""
        command = [str(BEFOREHAND), "run", "--config", "config", "--data", "data", "--state", "state", *options]
        if limits:
            command = ["bash", "-c", f'ulimit -S {limits}; exec "$@"', "-", *command]
        super().__init__(folder, *command, env=env)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another `beforehand` command, run to its end."""
    return subprocess.run(
        [str(BEFOREHAND), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def desk(log: Path, slow_s: float = 0.0) -> Iterator[int]:
    """The receiver on loopback, until the block ends. Gives its port."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "desk.py"), str(log), str(slow_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def verify(folder: Path, until: str) -> None:
    """Have the verifier, a process of its own, judge what lies in the folder."""
    decisions = command(
        folder, "backtest", "--config", "config", "--data", "data", "--decisions", "oracle.jsonl", "--until", until
    )
    assert decisions.returncode == 0, decisions.stderr
    judged = subprocess.run(
        [sys.executable, "-m", "tests.kill.verify", str(folder), until],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
