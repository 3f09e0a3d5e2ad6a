"""A loop over aiokafka's `getmany`, with nothing kept that would survive the process."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from job import Customers
from meter import Given

BATCH = 5_000


async def main() -> None:
    given, customers = Given(), Customers()
    consumer = AIOKafkaConsumer(
        given.topic, bootstrap_servers=given.servers, group_id=given.group, auto_offset_reset="earliest"
    )
    async with AIOKafkaProducer(bootstrap_servers=given.servers) as producer, consumer:
        last, sent = False, []
        while not last:
            found = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
            for records in found.values():
                last = given.meter.saw(len(records))
                actions = [action for record in records if (action := customers.take(record.value))]
                sent += [await producer.send(given.out, action) for action in actions]
        given.meter.done(customers.actions)
        await asyncio.gather(*sent)


asyncio.run(main())
