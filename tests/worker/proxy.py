"""Stands between clients and a broker on loopback and does what networks do: stall, and break off.

`python -m tests.worker.proxy LISTEN BROKER` copies bytes both ways. On SIGUSR1 nothing gets through until SIGUSR2. On
SIGHUP, the next answer to a request of the size of a batch or more is not handed on: its connection is reset instead,
so that the client does not know that the broker took it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import sys

CHUNK_BYTES = 65_536
BATCH_BYTES = 2_000
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


class Proxy:
    """`listen` and `broker` are ports on loopback."""

    def __init__(self, listen: int, broker: int) -> None:
        self._listen = listen
        self._broker = broker
        self._flows = asyncio.Event()
        self._flows.set()
        self._resets = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._flows.clear)
        loop.add_signal_handler(signal.SIGUSR2, self._flows.set)
        loop.add_signal_handler(signal.SIGHUP, self._reset_next)
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._listen)
        print("ready", flush=True)
        await server.serve_forever()

    def _reset_next(self) -> None:
        self._resets = True

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._broker)
            wire = _Wire(to_client)
            both = {
                asyncio.create_task(self._up(client, to_broker, wire)),
                asyncio.create_task(self._down(broker, to_client, wire)),
            }
            _, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            to_broker.close()
        to_client.close()

    async def _up(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, wire: _Wire) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                wire.sent += len(chunk)
                target.write(chunk)
                await target.drain()

    async def _down(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, wire: _Wire) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                if self._resets and wire.sent >= BATCH_BYTES:
                    self._resets = False
                    wire.reset()
                    print("reset", flush=True)
                    return
                wire.sent = 0
                target.write(chunk)
                await target.drain()


class _Wire:
    """A client's connection. `sent`: bytes it has sent since it last got an answer."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.sent = 0
        self._writer = writer

    def reset(self) -> None:
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self._writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(Proxy(int(sys.argv[1]), int(sys.argv[2])).run())
