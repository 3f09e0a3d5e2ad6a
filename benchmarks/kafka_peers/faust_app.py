"""What the three Faust peers share: an app without web server and leader, and how it is run to its last record."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import faust
from meter import Given


def app_for(given: Given) -> faust.App:
    return faust.App(
        given.group,
        broker=f"kafka://{given.servers}",
        store="memory://",
        datadir=Path(mkdtemp()),
        web_enabled=False,
        topic_disable_leader=True,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
    )


def events_of(app: faust.App, given: Given) -> faust.TopicT:
    """Raw bytes, so that nothing is decoded but once, by the job itself."""
    return app.topic(given.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def actions_of(app: faust.App, given: Given) -> faust.TopicT:
    return app.topic(given.out, value_type=bytes, value_serializer="raw")


async def finish(app: faust.App, given: Given, actions: int) -> None:
    """Tell the figures, let the actions go out, and end the process without Faust's own farewell of some seconds."""
    given.meter.done(actions)
    await app.producer.flush()
    os._exit(0)


def run(app: faust.App) -> None:
    worker: Callable[..., faust.Worker] = faust.Worker
    worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
