"""Feeds rows of the present into a raw topic at an even pace: `feed.py SERVERS TOPIC CUSTOMERS PER_SECOND SECONDS`."""

from __future__ import annotations

import random
import sys
import time

from confluent_kafka import Producer
from rows import SEED, customers_of, raw_row

EVERY_S = 0.01


def main() -> None:
    servers, topic = sys.argv[1:3]
    customers, per_second, seconds = map(int, sys.argv[3:])
    names, chance = customers_of(per_second * seconds, customers), random.Random(SEED)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 2, "queue.buffering.max.messages": 1_000_000})
    began, sent = time.monotonic(), 0
    while sent < len(names):
        due = min(len(names), int((time.monotonic() - began) * per_second))
        for number in range(sent, due):
            row = raw_row(number, time.time_ns() // 1_000_000, names[number], chance)
            producer.produce(topic, row, f"customer:{names[number]}".encode())
        sent = due
        producer.poll(0)
        time.sleep(EVERY_S)
    producer.flush()


main()
