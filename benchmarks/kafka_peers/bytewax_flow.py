"""A Bytewax dataflow of one worker with `stateful_flat_map`, without a recovery store."""

from __future__ import annotations

from collections.abc import Iterable

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from job import State, loads, step
from meter import Given

given = Given()


def keyed(message: KafkaSourceMessage) -> tuple[str, bytes]:
    return message.key.decode(), message.value


def watch(state: State | None, raw: bytes) -> tuple[State, Iterable[bytes]]:
    last = given.meter.saw()
    state, action = step(state, loads(raw))
    given.told += action is not None
    if last:
        given.meter.done(given.told)
    return state, () if action is None else (action,)


def outgoing(found: tuple[str, bytes]) -> KafkaSinkMessage:
    return KafkaSinkMessage(key=found[0].encode(), value=found[1])


# It ends by itself at the end of the topic, so it cannot be given a prefix.
flow = Dataflow("readings")
messages = op.input("events", flow, KafkaSource([given.servers], [given.topic], tail=False))
actions = op.stateful_flat_map("watch", op.map("keyed", messages, keyed), watch)
op.output("actions", op.map("outgoing", actions, outgoing), KafkaSink([given.servers], given.out))
run_main(flow)
