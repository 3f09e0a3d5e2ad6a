"""Sends a batch of actions through one sink: a few at once, each for a limited time, none waited for beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from engine.model import Action
from engine.ports import Confirming, Delivered, Rejected, Sink, Unknown, Verdict

AT_ONCE = 4

Result = TypeVar("Result")


class Sent(msgspec.Struct, frozen=True):
    """What an attempt came to, and how long it took."""

    verdict: Verdict
    took_ms: int


class NotSent(msgspec.Struct, frozen=True):
    """Sending never began: for a reason that the last look named, or "" because the lane stopped before."""

    reason: str = ""


class Sending:
    """The sends in flight through one sink. `last_look` names a reason not to send an action, or None.

    `passed` is told of each fault point.
    """

    def __init__(
        self, sink: Sink, limit_ms: int, last_look: Callable[[Action], str | None], passed: Callable[[str], None]
    ) -> None:
        self._sink = sink
        self._limit_s = limit_ms / 1000
        self._last_look = last_look
        self._passed = passed
        self._cut = asyncio.Event()
        self._stopping = False
        self._left_behind: set[asyncio.Task[Any]] = set()  # of any result: they are only waited out

    def stop(self) -> None:
        """Begin no further send."""
        self._stopping = True

    def cut(self) -> None:
        """Wait no longer for what is in flight: its outcome is unknown."""
        self._stopping = True
        self._cut.set()

    async def batch(self, actions: Sequence[Action]) -> list[Sent | NotSent]:
        """One result per action, in order. After the first trouble nothing further of the batch is begun."""
        results: list[Sent | NotSent] = [NotSent()] * len(actions)
        places = iter(range(len(actions)))
        await asyncio.gather(*(self._work(actions, places, results) for _ in range(min(AT_ONCE, len(actions)))))
        return results

    async def confirm(self, action_id: str) -> Verdict | None:
        """What the sink can find out afterwards; None where it cannot."""
        if not isinstance(self._sink, Confirming):
            return None
        found = await self._bounded(self._sink.confirm(action_id))
        return None if isinstance(found, Unknown) else found

    async def _work(self, actions: Sequence[Action], places: Iterator[int], results: list[Sent | NotSent]) -> None:
        """One of several workers on a batch: they share `places`, so each takes what no other has taken."""
        for place in places:
            if self._stopping or any(_is_trouble(result) for result in results):
                return
            results[place] = await self._one(actions[place])

    async def _one(self, action: Action) -> Sent | NotSent:
        reason = self._last_look(action)
        if reason is not None:
            return NotSent(reason)
        loop = asyncio.get_running_loop()
        began = loop.time()
        verdict = await self._bounded(self._sink.send(action))
        self._passed("D3")
        return Sent(verdict, int((loop.time() - began) * 1000))

    async def _bounded(self, work: Coroutine[Any, Any, Result]) -> Result | Unknown:
        """The result of `work`, or Unknown once its time is up, even if it does not let itself be cancelled."""
        task = asyncio.ensure_future(work)
        cut = asyncio.ensure_future(self._cut.wait())
        await asyncio.wait({task, cut}, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
        cut.cancel()
        if task.done():
            return _result(task)
        self._leave(task)
        return Unknown("stopped before an answer came" if self._cut.is_set() else f"no answer in {self._limit_s:g} s")

    def _leave(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)
        # Looked at, so that asyncio does not complain of an error that nobody wants to know any more.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _result(task: asyncio.Task[Result]) -> Result | Unknown:
    if task.cancelled():
        return Unknown("the sink broke off")
    error = task.exception()
    if isinstance(error, Exception):
        # Its text is left out: what a plugin raises may contain anything.
        return Unknown(f"the sink raised {error.__class__.__name__}, which is a fault in the sink")
    return task.result()


def _is_trouble(result: Sent | NotSent) -> bool:
    match result:
        case NotSent() | Sent(verdict=Delivered() | Rejected(pause=False)):
            return False
        case _:
            return True
