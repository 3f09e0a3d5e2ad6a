"""A Faust agent whose state is a Table: in memory, with a changelog topic."""

from __future__ import annotations

from faust_app import actions_of, app_for, events_of, finish, run
from job import loads, step
from meter import Given

given = Given()
app = app_for(given)
out = actions_of(app, given)
customers = app.Table("customers", partitions=4)


@app.agent(events_of(app, given))
async def watch(stream):
    async for raw in stream:
        last = given.meter.saw()
        event = loads(raw)
        customer = event["entities"]["customer"]
        customers[customer], action = step(customers.get(customer), event)
        if action:
            given.told += 1
            await out.send(value=action)
        if last:
            await finish(app, given, given.told)


run(app)
