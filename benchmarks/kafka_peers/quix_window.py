"""Quix Streams' own windows over an hour: tumbling, or hopping by ten minutes with `hopping` as the sixth argument.

They give a result per event and window and do not remember what was told before, so they act on every event of a
customer who stands out, where the other peers act once.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from job import FEW, HIGH, LOW, MANY, action
from quix_app import App
from quixstreams.dataframe.windows import Count, Mean


def judge(window: dict[str, Any], key: str, timestamp: int, _headers: Any) -> bytes | None:
    few, mean = window["readings"] < FEW, window["mean"]
    due = not few and (mean > HIGH or mean < LOW or window["readings"] >= MANY)
    return action(key.removeprefix("customer:"), timestamp) if due else None


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["attributes"]
    return found


app = App()
values = app.events().apply(attributes)
hour = timedelta(hours=1)
if sys.argv[6:] == ["hopping"]:
    windows = values.hopping_window(hour, timedelta(minutes=10))
else:
    windows = values.tumbling_window(hour)
app.run(windows.agg(readings=Count(), mean=Mean("value")).current().apply(judge, metadata=True))
