"""Appends one line of JSON per action to a file, and has it on the disk before it says delivered.

Use it as the channel of a first installation, as a record beside other channels, or to hand actions to a batch job.
After a crash it looks into the file to see whether an action got there, so nothing is written twice and nothing is left
in doubt. It can only look where it writes: move the file away (log rotation) only while nothing is in flight.

```yaml
sinks:
  log: {kind: file, path: actions.jsonl}
```
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import orjson

from engine.errors import OperatorError
from engine.model import Action
from engine.payload import encoded
from engine.ports import As, Delivered, Retry, SinkContext, Unknown, Verdict

Result = TypeVar("Result")

# How every line of ours starts; a tail without a line end is ours to remove only if it starts so.
_START = b'{"specversion":'
# Below what a send may take, so that it is this sink that says what happened.
_LOCK_WAIT_S = 1.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    path: Annotated[str, As.PATH, "the file to append to, relative to the data folder"]


class Sink:
    """`send` and `confirm` work one after the other on one thread of their own.

    So a write that outlived its time limit is over before anybody looks whether it happened.
    """

    idempotent = False
    idempotent_for_ms = 0

    def __init__(self, options: Options, context: SinkContext) -> None:
        self._path = Path(context.folder) / options.path
        self._worker: ThreadPoolExecutor | None = None
        self._lost_sync = False

    async def open(self) -> None:
        """Create the file and remove a line that a crash left half written.

        It waits for nobody: another process may be stopped with the lock in its hands.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _opened(self._path) as file:
                with suppress(TimeoutError):
                    _lock(file, wait_s=0)
                    _mend(file)
                os.fsync(file)  # what confirm() will find was perhaps never synced by the process that wrote it
            _sync_folder(self._path.parent)
        except OSError as error:
            raise OperatorError(f"Cannot write actions to {self._path}: {error.strerror}") from error
        self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix="file-sink")

    async def send(self, action: Action) -> Verdict:
        return await self._on_worker(lambda: self._append(encoded(action) + b"\n"))

    async def confirm(self, action_id: str) -> Verdict | None:
        """Delivered where the file holds the action, Retry where it does not.

        None after the disk failed to sync, and while another process may be in the middle of writing.
        """
        if self._lost_sync:
            return None
        return await self._on_worker(lambda: self._look_for(action_id))

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=True)

    async def _on_worker(self, work: Callable[[], Result]) -> Result:
        assert self._worker is not None, "open() comes first"
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _append(self, line: bytes) -> Verdict:
        try:
            with _opened(self._path) as file:
                _lock(file)
                return self._write(file, line)
        except TimeoutError:
            return Retry(f"{self._path.name} is locked by another process")
        except OSError as error:
            return Retry(f"{self._path.name} cannot be opened: {error.strerror}")

    def _write(self, file: int, line: bytes) -> Verdict:
        _mend(file)
        size = os.fstat(file).st_size
        try:
            written = os.write(file, line)
        except OSError as error:
            return Retry(f"{self._path.name} cannot be written: {error.strerror}")
        if written < len(line):
            # A full disk takes part of a line. Taken back, it is provably not delivered.
            os.ftruncate(file, size)
            return Retry(f"{self._path.name} cannot be written: the disk is full")
        return self._synced(file)

    def _synced(self, file: int) -> Verdict:
        try:
            os.fsync(file)
        except OSError as error:
            # After a failed sync the kernel may show bytes that never reach the disk, so looking proves nothing.
            self._lost_sync = True
            return Unknown(f"{self._path.name} may not have reached the disk: {error.strerror}")
        return Delivered()

    def _look_for(self, action_id: str) -> Verdict | None:
        sought = action_id.encode()
        try:
            with self._path.open("rb") as file:
                _lock(file.fileno())
                found = any(sought in line and _id_of(line) == action_id for line in file)
        except FileNotFoundError:
            found = False
        except OSError:
            return None
        return Delivered() if found else Retry(f"{self._path.name} does not hold it")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file to append to. Whatever lock it has goes when it is closed."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, wait_s: float = _LOCK_WAIT_S) -> None:
    """Lock it against others who keep to the lock. Raises TimeoutError where somebody else has it for too long."""
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError from None
            time.sleep(0.01)
        else:
            return


def _mend(file: int) -> None:
    """Give the file a clean end: half a line of ours is cut off, anything else gets the line end it lacks."""
    size = os.fstat(file).st_size
    if not size or os.pread(file, 1, size - 1) == b"\n":
        return
    tail = _tail(file, size)
    if _id_of(tail) or not (tail.startswith(_START) or _START.startswith(tail)):
        os.write(file, b"\n")
    else:
        os.ftruncate(file, size - len(tail))


def _tail(file: int, size: int) -> bytes:
    """What stands after the last line end."""
    tail, start = b"", size
    while start and b"\n" not in tail:
        step = min(start, 65_536)
        start -= step
        tail = os.pread(file, step, start) + tail
    return tail.rpartition(b"\n")[2]


def _id_of(line: bytes) -> str | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    found = row.get("id") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def _sync_folder(folder: Path) -> None:
    """A new file's name is durable only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
