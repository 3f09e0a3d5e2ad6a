"""`tests:` inside a detector - rows of events that are given, and what has to be so at which time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from engine.model import DAY_MS, Json
from engine.ports import As
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode, plain
from engine.spec.outcomes import judge_line, read_factors
from engine.spec.reading import RAW, read
from engine.spec.report import unknown
from engine.spec.trials import DetectorTest, TestExpect, TestGiven
from engine.spec.values import Scope, Span, choice, count, duration, milliseconds, shown, text, text_written
from engine.spec.values import events as read_events
from engine.spec.world import World

# A Monday, so that weeks and weekdays in tests can be counted on the fingers.
START_MS = 1_767_571_200_000
MOST_TIMES = 100_000
ANY_SPAN = Span(0, 4_000 * DAY_MS)
_ROW_WORDS = ("event", "events", "at", "times", "every", "per_day", "days", "for")
# Rows that are signals and not events; any other word may be an attribute's name.
_ROW_LATER = ("firing", "fired", "happened")


class TestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A test as it is written."""

    __test__ = False
    name: Annotated[str, As.TEXT, "what it shows, as a sentence"]
    expect: Annotated[Node, RAW, "what has to be so: a list, or the word nothing"]
    rules: Annotated[bool, As.FLAG, "with all detectors and the project's rules for deciding, as they run"] = False
    start: Annotated[Node | None, RAW, "when it starts: a date or an ISO 8601 time, 2026-01-05 if left out"] = None
    given: Annotated[Node | None, RAW, "rows of events"] = None
    with_: Annotated[Node | None, RAW, "what is known of the entity, as in account.stage: live"] = msgspec.field(
        default=None, name="with"
    )


class ExpectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `expect` as it is written."""

    at: Annotated[Node | None, RAW, "when: a duration since the start or an ISO 8601 time; left out, at the end"] = None
    nothing: Annotated[bool, As.FLAG, "no signal has fired by then"] = False
    fired: Annotated[str, As.TEXT, "the entity whose signal has fired by then"] = ""
    resolved: Annotated[str, As.TEXT, "the entity whose signal has resolved by then"] = ""
    play: Annotated[str, As.TEXT, "the play that was chosen"] = ""
    fired_in_total: Annotated[Node | None, RAW, "how many signals have fired by then"] = None
    dropped: Annotated[str, As.TEXT, "the gate at which the decision was dropped"] = ""
    held: Annotated[str, As.TEXT, "the gate at which the decision is held by then"] = ""
    priority: Annotated[float, As.NUMBER, "what it weighed beside the others"] = 0
    factors: Annotated[Node | None, RAW, "what that was made of, as in {chance: 0.2}"] = None
    runner_up: Annotated[str, As.TEXT, "the play that would have gone instead"] = ""
    sent_to: Annotated[Node | None, RAW, "how many have got the play by then"] = None
    because: Annotated[tuple[str, ...], As.TEXTS, "names that occur in the signal's story"] = ()


def read_tests(node: Node | None, world: World) -> tuple[DetectorTest, ...]:
    """The tests that could be read; what could not is reported."""
    if node is None:
        return ()
    if not isinstance(node, ListNode):
        world.report.error(node, "wrong-type", "write tests as a list, each with name, given and expect")
        return ()
    tests = [_test(item, world) for item in node.items]
    return tuple(test for test in tests if test)


def _test(node: Node, world: World) -> DetectorTest | None:
    written = read(node, TestDocument, world.scope)
    if written is None:
        return None
    document = written.value
    start = START_MS if document.start is None else _instant(document.start, world.scope)
    start = START_MS if start is None else start
    given = _items(document.given, "rows of events", world)
    return DetectorTest(
        name=document.name,
        start=start,
        profile=_profile(document.with_, world),
        given=tuple(row for item in given if (row := _given(item, start, world))),
        expect=_expects(document.expect, start, document.rules, world) if "expect" in written.nodes else (),
        rules=document.rules,
        place=node.place,
    )


def _items(node: Node | None, what: str, world: World) -> tuple[Node, ...]:
    if node is None:
        return ()
    if isinstance(node, ListNode):
        return node.items
    world.report.error(node, "wrong-type", f"write {what} as a list")
    return ()


def _judge_variant(key: ScalarNode, value: Node, experiment: str, world: World) -> None:
    """`variant.warmer-words: warmer` puts everybody in that arm."""
    known = world.project.experiments
    if experiment not in known:
        world.report.error(key, "unknown-experiment", unknown("experiment", experiment, known))
    elif text_written(value) not in known[experiment]:
        world.report.error(value, "unknown-arm", unknown("arm", text_written(value), known[experiment]))


def _profile(node: Node | None, world: World) -> Mapping[str, Json]:
    """`{account: acme, account.stage: live}`: ids and attributes of entities that the project has."""
    if node is None:
        return {}
    if not isinstance(node, MappingNode):
        world.report.error(node, "wrong-type", "write what is known as a mapping, as in {account.stage: live}")
        return {}
    for key, value in node:
        entity, _dot, name = key.text.partition(".")
        if entity == "variant":
            _judge_variant(key, value, name, world)
        elif entity not in world.entities:
            world.report.error(key, "unknown-entity", unknown("entity", entity, world.entities))
    return {key.text: plain(value) for key, value in node}


# ---- given


def _given(node: Node, start: int, world: World) -> TestGiven | None:
    if not isinstance(node, MappingNode):
        world.report.error(node, "wrong-type", "write a row as a mapping, as in {event: usage.login, account: acme}")
        return None
    if later := next((key for key, _value in node if key.text in _ROW_LATER), None):
        world.report.later(later, later.text)
        return None
    before = world.report.errors
    row = {key.text: value for key, value in node}
    types = _types(node, row, world)
    fields = {key: plain(value) for key, value in row.items() if key not in _ROW_WORDS}
    _judge_entity(node, fields, world)
    _judge_words(node, row, world)
    given = TestGiven(
        events=types,
        fields=fields,
        at_ms=_moment(row["at"], start, world.scope) - start if "at" in row else 0,
        times=_times(row, len(types), world.scope),
        every_ms=_span(row.get("every"), world.scope),
        per_day=_count(row.get("per_day"), world.scope),
        days=_days(row.get("days"), world.scope),
        lasting_ms=_span(row.get("for"), world.scope),
    )
    if given.at_ms < 0:
        world.report.error(row["at"], "bad-time", "this is before the test starts - set start: earlier")
    return given if world.report.errors == before else None


def _types(node: Node, row: Mapping[str, Node], world: World) -> tuple[str, ...]:
    if ("event" in row) == ("events" in row):
        world.report.error(node, "missing-key", "a row has either 'event' or 'events'")
        return ()
    if "event" in row:
        return read_events(row["event"], world.scope) or ()
    # Read one by one, as the same type may come again: A, B, A, B.
    items = _items(row["events"], "the events", world)
    return tuple(name for item in items for name in read_events(item, world.scope) or ())


def _judge_entity(node: Node, fields: Mapping[str, Json], world: World) -> None:
    names = {name for kind, ids in world.entities.items() for name in (kind, *ids)}
    if names and not names & fields.keys():
        message = f"the row does not say whose event this is - name one of: {', '.join(world.entities)}"
        world.report.error(node, "missing-key", message)


def _judge_words(node: Node, row: Mapping[str, Node], world: World) -> None:
    if "per_day" in row and ("times" in row or "every" in row):
        world.report.error(node, "bad-row", "'per_day' with 'for' gives a rate; 'times' and 'every' do not go with it")
    elif "per_day" in row and "for" not in row:
        world.report.error(node, "missing-key", "'per_day' needs 'for', how long it goes on, as in for: 2w")
    elif "per_day" not in row and ("for" in row or "days" in row):
        world.report.error(node, "missing-key", "'for' and 'days' go with 'per_day', how many events a day")


def _times(row: Mapping[str, Node], types: int, scope: Scope) -> int:
    """How many in all: as written, else each of the types once."""
    times = _count(row.get("times"), scope)
    if times > MOST_TIMES:
        scope.report.error(row["times"], "bad-row", f"{MOST_TIMES} events in a row are the most")
    return times or max(1, types)


def _count(node: Node | None, scope: Scope) -> int:
    return 0 if node is None else count(node, scope) or 0


def _span(node: Node | None, scope: Scope) -> int:
    return 0 if node is None else duration(node, scope) or 0


def _days(node: Node | None, scope: Scope) -> Literal["all", "weekdays", "weekend"]:
    found = "all" if node is None else choice(node, scope, ("all", "weekdays", "weekend"))
    return "weekdays" if found == "weekdays" else "weekend" if found == "weekend" else "all"


# ---- expect


def _expects(node: Node, start: int, rules: bool, world: World) -> tuple[TestExpect, ...]:
    if text_written(node) == "nothing":
        return (TestExpect(nothing=True, place=node.place),)
    if not isinstance(node, ListNode) or not node.items:
        message = "write what is expected as a list, as in [{at: 4d, fired: acme}], or the word nothing"
        world.report.error(node, "wrong-type", message)
        return ()
    lines = [_expect(item, start, rules, world) for item in node.items]
    return tuple(line for line in lines if line)


def _expect(node: Node, start: int, rules: bool, world: World) -> TestExpect | None:
    written = read(node, ExpectDocument, world.scope)
    if written is None or not written.sound:
        return None
    line = written.value
    if not set(written.nodes) - {"at"}:
        world.report.error(node, "missing-key", "nothing is expected here - add fired, resolved or nothing: true")
    if line.nothing and (line.fired or line.fired_in_total):
        world.report.error(node, "bad-expect", "'nothing' and a signal that fired exclude each other")
    for play, key in ((line.play, "play"), (line.runner_up, "runner_up")):
        if play and play not in world.plays:
            world.report.error(written.nodes[key], "unknown-play", unknown("play", play, world.plays))
    judge_line({"dropped": line.dropped, "held": line.held}, written.nodes, rules=rules, world=world)
    if line.sent_to is not None and not line.play:
        world.report.error(
            written.nodes["sent_to"], "missing-key", "'sent_to' goes with 'play', which so many have got"
        )
    return TestExpect(
        at=-1 if line.at is None else _moment(line.at, start, world.scope),
        nothing=line.nothing,
        fired=line.fired,
        resolved=line.resolved,
        play=line.play,
        fired_in_total=-1 if line.fired_in_total is None else _total(line.fired_in_total, world.scope),
        dropped=line.dropped,
        held=line.held,
        priority=line.priority,
        factors=read_factors(line.factors, world.scope),
        runner_up=line.runner_up,
        because=line.because,
        sent_to=-1 if line.sent_to is None else _total(line.sent_to, world.scope),
        place=node.place,
    )


def _total(node: Node, scope: Scope) -> int:
    if isinstance(node, ScalarNode) and node.text == "0":
        return 0
    return count(node, scope) or 0


# ---- times


def _moment(node: Node, start: int, scope: Scope) -> int:
    """Absolute: so long after the start (`4d`), or an instant of its own. The start where it could not be read."""
    after = milliseconds(text_written(node))
    if after is not None:
        return start + after
    found = _instant(node, scope)
    return start if found is None else found


def _instant(node: Node, scope: Scope) -> int | None:
    """A date or an ISO 8601 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text(node, scope) or "2026-01-05")
    except ValueError:
        hint = "write 4d for four days after the start, or 2026-01-09T08:00:00Z"
        scope.report.error(node, "bad-time", f"{shown(node)} is not a time - {hint}")
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
