"""Peers that misbehave, on loopback: a raw server that answers with whatever bytes a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest

from engine.model import Action, Reading, Severity

Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server with one behaviour. `requests` keeps the head of each request, `bodies` its body."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-le")
            )
            self.requests.append(head)
            self.bodies.append(await reader.readexactly(length))
            await self._behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    peer = Peer(behaviour)
    server = await asyncio.start_server(peer.take, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Peer]]:
    return served


@pytest.fixture
def answering() -> Callable[..., Behaviour]:
    """A behaviour: these bytes, then the end."""

    def behaviour(status: int = 200, body: bytes = b"", headers: str = "") -> Behaviour:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 {status} Whatever\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

        return answer

    return behaviour


@pytest.fixture
def action() -> Callable[..., Action]:
    def made(action_id: str = "a1", **fields: Any) -> Action:
        return Action(**{**_FIELDS, "id": action_id, **fields})

    return made


_FIELDS: dict[str, Any] = {
    "signal_id": "s1",
    "decision_id": "d1",
    "play": "call-the-champion",
    "detector": "usage-drop",
    "channel": "desk",
    "unit": "acme",
    "recipient": "ada",
    "step": "first",
    "at": 1_767_571_200_000,
    "expires_at": 0,
    "tier": 3,
    "purpose": "service",
    "owner": "support",
    "title": "Acme went quiet",
    "text": "Call Ada",
    "why": "No login for 14 days",
    "severity": Severity.URGENT,
    "event_ids": ("e1", "e2"),
    "readings": (Reading(measure="logins", value=0, comparator="below", limit=3),),
}
