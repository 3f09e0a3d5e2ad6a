"""How long a Faust Table takes from the start of its process until it has read its changelog again.

Called like the other peers; `TOPIC` is empty, and the changelog of the group's table is there already.
"""

from __future__ import annotations

import json
import os
import time

from faust_app import app_for, events_of, run
from meter import Given, peak_mb

began = time.perf_counter()
given = Given()
app = app_for(given)
customers = app.Table("customers", partitions=4)


@customers.on_recover
async def recovered():
    seconds = time.perf_counter() - began
    found = {"events": len(customers), "seconds": seconds, "cpu_seconds": time.process_time()}
    print(json.dumps({**found, "peak_rss_mb": peak_mb(), "actions": 0}), flush=True)
    os._exit(0)


@app.agent(events_of(app, given))
async def watch(stream):
    async for _ in stream:
        pass


run(app)
