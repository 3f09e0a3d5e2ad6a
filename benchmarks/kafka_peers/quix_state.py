"""Quix Streams with a stateful function: RocksDB and a changelog topic, written at each checkpoint (every 5 s)."""

from __future__ import annotations

from typing import Any

from job import step
from quix_app import App
from quixstreams import State


def watch(event: dict[str, Any], kept: State) -> bytes | None:
    state, action = step(kept.get("readings"), event)
    kept.set("readings", state)
    return action


app = App()
app.run(app.events().apply(watch, stateful=True))
