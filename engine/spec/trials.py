"""The typed form of the tests inside detector files: rows of events, and what they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from engine.model import Json
from engine.spec.types import Place


class TestGiven(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of events: `events` in turn, `times` in all, `every_ms` apart, from `at_ms` after the test's start.

    With `per_day`, that many a day on `days` for `lasting_ms` instead. `{n}` in a text value counts
    from 1. `fields` are as written on the row.
    """

    __test__ = False
    events: tuple[str, ...]
    fields: Mapping[str, Json]
    at_ms: int = 0
    times: int = 1
    every_ms: int = 0
    per_day: int = 0
    days: Literal["all", "weekdays", "weekend"] = "all"
    lasting_ms: int = 0


class TestExpect(msgspec.Struct, frozen=True, kw_only=True):
    """What must be so at `at` (absolute ms; -1 = at the end of the test).

    `nothing`: no signal fired up to then. `fired`: this entity's signal opened by then. `resolved`: closed by then.
    `dropped` and `held` name the gate that stopped the decision as it stood then; `factors` are those that are asked.
    """

    __test__ = False
    at: int = -1
    nothing: bool = False
    fired: str = ""
    resolved: str = ""
    play: str = ""
    fired_in_total: int = -1
    dropped: str = ""
    held: str = ""
    priority: float = 0
    factors: Mapping[str, float] = {}
    runner_up: str = ""
    because: tuple[str, ...] = ()
    place: Place = Place()
    sent_to: int = -1


class DetectorTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test inside a detector file. `start` is absolute ms. `profile` holds names like `account.stage` (`with:`).

    With `rules`, all detectors take part and the project's rules for deciding hold; without, the detector is alone.
    """

    __test__ = False
    name: str
    start: int
    profile: Mapping[str, Json]
    given: tuple[TestGiven, ...]
    expect: tuple[TestExpect, ...]
    rules: bool = False
    place: Place = Place()
