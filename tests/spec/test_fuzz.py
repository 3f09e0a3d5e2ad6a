"""Whatever a user writes where, the answer is a configuration or problems with places, never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import detectors
import sinks
from engine.model import Json
from engine.spec.load import load_all
from engine.spec.nodes import plain
from engine.spec.report import Report
from engine.spec.yaml import read_documents
from tests.spec import broken

# fmt: off
WORDS = st.sampled_from((
    "count", "share", "rate", "formula", "event", "over", "every", "where", "field", "absent", "expect", "sequence",
    "steps", "any_of", "at_least", "below", "is", "in_a_row", "firing", "account.stage", "play", "name", "given", "at",
    "times", "per_day", "from", "value", "map", "kind", "7d", "1w", "60%", "p99", "-1", "1e999", "acme",
))
REST = (
    "resolve_when", "for", "keep_firing_for", "cooldown", "only_if", "unless", "why", "severity", "mode", "title",
    "tier", "desk", "expires", "time_zone", "unit", "max_ahead", "retention", "bounds",
)
# fmt: on
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | st.text(max_size=5) | WORDS
JSON: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
SOUND = {"detector": broken.DETECTOR, "play": broken.PLAY, "project": broken.PROJECT}


def with_one_changed(text: str, path: list[int], value: Json, key: str) -> str:
    """The document with some value deep inside replaced, or a key added there."""
    document = plain(read_documents("", text.encode(), Report())[0])
    assert isinstance(document, dict)
    at: Json = document
    for step in path:
        children = list(at.values()) if isinstance(at, dict) else at if isinstance(at, list) else []
        inner = [child for child in children if isinstance(child, dict | list) and child]
        at = inner[step % len(inner)] if inner else at
    if isinstance(at, dict):
        at[[*at, key][path[-1] % (len(at) + 1)]] = value
    elif isinstance(at, list):
        at[path[-1] % len(at)] = value
    return json.dumps(document)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SOUND)), st.lists(st.integers(0, 9), min_size=1, max_size=4), JSON, st.sampled_from(REST))
def test_any_value_anywhere_is_taken_or_told(kind: str, path: list[int], value: Json, key: str) -> None:
    text = with_one_changed(SOUND[kind], path, value, key)
    with TemporaryDirectory() as folder:
        broken.write(Path(folder), kind, text.encode())
        found, problems = load_all(Path(folder), detectors.load(), sinks.options_of, sinks.kinds())
    errors = [problem for problem in problems if problem.severity == "error"]
    assert (found is None) == bool(errors)
    assert all(problem.line and problem.column for problem in errors), errors
