"""A plain Faust agent: one event at a time, raw bytes, orjson, state in a dict of its own."""

from __future__ import annotations

from faust_app import actions_of, app_for, events_of, finish, run
from job import Customers
from meter import Given

given, customers = Given(), Customers()
app = app_for(given)
out = actions_of(app, given)


@app.agent(events_of(app, given))
async def watch(stream):
    async for raw in stream:
        last = given.meter.saw()
        if action := customers.take(raw):
            await out.send(value=action)
        if last:
            await finish(app, given, customers.actions)


run(app)
