"""The small HTTP face of a running engine: /metrics, /livez, /readyz. It shows no customer data and takes none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from engine.errors import OperatorError
from engine.shells.metrics import Metrics

# Why it is not so, or "" if all is well.
Check = Callable[[], str]


def application(metrics: Metrics, live: Check, ready: Check) -> Starlette:
    """The three pages as an ASGI application."""

    def page(check: Check) -> Callable[[Request], PlainTextResponse]:
        def answer(request: Request) -> PlainTextResponse:
            wrong = check()
            return PlainTextResponse(f"{wrong or 'ok'}\n", status_code=503 if wrong else 200)

        return answer

    def exposition(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    alive = page(live)
    return Starlette(
        routes=[
            Route("/metrics", exposition),
            Route("/livez", alive),
            Route("/healthz", alive),
            Route("/readyz", page(ready)),
        ]
    )


class Server:
    """Serves an application beside the engine's own loop until stopped."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        config = uvicorn.Config(app, host=host, port=port, log_level="error", lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
        self._where = f"{host}:{port}"
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begin to serve; returns the port. Raises OperatorError when the address is taken."""
        # The engine handles signals; uvicorn must not take them away from it.
        self._server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                raise OperatorError(f"cannot serve metrics on {self._where}; choose another --metrics-port")
            await asyncio.sleep(0.01)
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit:
            return  # uvicorn's way to say that it could not bind

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task:
            await self._task
