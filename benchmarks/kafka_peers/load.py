"""Writes a file of `key <tab> value` lines into a topic, in order: `load.py SERVERS TOPIC FILE`.

The partition of a key is that of librdkafka's default, which is also ours.
"""

from __future__ import annotations

import sys
from pathlib import Path

from confluent_kafka import Producer


def main() -> None:
    servers, topic, path = sys.argv[1:]
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "linger.ms": 20,
            "queue.buffering.max.messages": 50_000,
        }
    )
    with Path(path).open("rb") as lines:
        for line in lines:
            key, _, value = line.rstrip(b"\n").partition(b"\t")
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
    if left := producer.flush(60):
        sys.exit(f"{left} events could not be written")


main()
