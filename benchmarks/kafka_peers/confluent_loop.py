"""A bare loop over confluent-kafka (librdkafka), with nothing kept that would survive the process.

As it comes, librdkafka waits up to a second before it fetches on once its queue was full, so a loop that is faster than
that stands idle. Called with `tuned` as the sixth argument it waits 10 ms.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, Producer
from job import Customers
from meter import Given

BATCH = 1_000


def main() -> None:
    given, customers = Given(), Customers()
    producer = Producer({"bootstrap.servers": given.servers})
    settings = {"bootstrap.servers": given.servers, "group.id": given.group, "auto.offset.reset": "earliest"}
    if sys.argv[6:] == ["tuned"]:
        settings["fetch.queue.backoff.ms"] = 10
    consumer = Consumer(settings)
    consumer.subscribe([given.topic])
    last = False
    while not last:
        records = consumer.consume(BATCH, 1.0)
        if not records:
            continue
        last = given.meter.saw(len(records))
        for record in records:
            if action := customers.take(record.value()):
                producer.produce(given.out, action)
        producer.poll(0)
    given.meter.done(customers.actions)
    producer.flush()
    consumer.close()


main()
