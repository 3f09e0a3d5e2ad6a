"""A Faust agent that gathers events with `take(1000)`."""

from __future__ import annotations

from faust_app import actions_of, app_for, events_of, finish, run
from job import Customers
from meter import Given

BATCH, WITHIN_S = 1_000, 0.1

given, customers = Given(), Customers()
app = app_for(given)
out = actions_of(app, given)


@app.agent(events_of(app, given))
async def watch(stream):
    async for raws in stream.take(BATCH, within=WITHIN_S):
        last = given.meter.saw(len(raws))
        for raw in raws:
            if action := customers.take(raw):
                await out.send(value=action)
        if last:
            await finish(app, given, customers.actions)


run(app)
