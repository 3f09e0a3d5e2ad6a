"""Every word that `detectors.load()` offers, in every shape its options allow, must pass every check below.

A new kind of measure or condition is checked by being there; nothing has to be added here. What learns from other
measures takes other checks, in test_every_learner.py.
"""

from __future__ import annotations

import copy
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple, get_type_hints

import msgspec
import pytest
from ruamel.yaml import YAML

import detectors
from engine.core.state import Entity, Stalls
from engine.model import Event
from engine.ports import NEVER, As, Condition, FieldTest, MeasureKind, Reader, Slot, Step, Tracker

KINDS: dict[str, Any] = dict(detectors.load())
# What feeds on events itself; those in `WORDS` and not in `OF_EVENTS` feed on other measures.
WORDS = sorted(KINDS)
OF_EVENTS = [word for word in WORDS if not hasattr(KINDS[word], "learner")]
MONDAY = 1_767_571_200_000
SECOND = 1_000

# A value for every way in which an option can be written.
VALUES: dict[As, Any] = {
    As.TEXT: "text",
    As.NUMBER: 2.5,
    As.COUNT: 6,
    As.FLAG: True,
    As.DURATION: 60 * SECOND,
    As.PERIOD: "1h",
    As.EVENTS: ("paid",),
    As.WHERE: (FieldTest("status", "is", "late"),),
    As.FIELD: "amount",
    As.FIELDS: ("status", "amount"),
    As.STEPS: (Step(events=("paid",)), Step(events=("paid",), at_least=2)),
    As.TEXTS: ("text",),
    As.MAPPING: {"name": "text"},
    As.LEARNER: "logistic_regression",
    As.LEARNERS: ("naive_bayes",),
    As.MEASURES: ("one",),
    As.SHARE: 0.8,
}
# What counts how many or how much came: of these, nothing is an answer.
COUNTING = {"count", "rate", "sum", "distinct", "alike"}


class Case(NamedTuple):
    """One word in one shape."""

    word: str
    options: Any

    @property
    def kind(self) -> Any:
        return KINDS[self.word]

    @property
    def is_measure(self) -> bool:
        return hasattr(self.kind, "share_key")

    def build(self) -> tuple[Tracker, Reader | None]:
        if not self.is_measure:
            return self.kind.build(self.word, self.options), None
        kind: MeasureKind = self.kind
        tracker, readers = kind.build([(self.word, self.options, 2)])
        return tracker, readers[0]


def marks_of(options: type[msgspec.Struct]) -> dict[str, tuple[As, str]]:
    """How each option is written, and the sentence about it."""
    hints = get_type_hints(options, include_extras=True)
    return {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def shapes_of(word: str) -> Iterator[Case]:
    """All combinations of options that the kind has nothing against."""
    kind = KINDS[word]
    marks = marks_of(kind.options)
    required = [field.name for field in msgspec.structs.fields(kind.options) if field.required]
    optional = [name for name in marks if name not in required]
    for chosen in chain.from_iterable(combinations(optional, size) for size in range(len(optional) + 1)):
        options = kind.options(**{name: VALUES[marks[name][0]] for name in (*required, *chosen)})
        if not kind.problems(word, options):
            yield Case(word, options)


CASES = [case for word in OF_EVENTS for case in shapes_of(word)]


class Someone:
    """An entity with one tracker, as the detect step keeps it."""

    def __init__(self, case: Case) -> None:
        self.tracker, self.reader = case.build()
        self.known = Entity("customer", "ada", 1, Stalls())
        self.known.first_seen = self.known.seen_at = MONDAY
        self.slot: Slot = self.tracker.empty(self.known)

    def add(self, event: Event) -> bool | None:
        self.known.seen_at = max(self.known.seen_at, event.at)
        return self.tracker.add(self.slot, event, self.known)

    def says(self, now: int) -> object:
        """All that can be read at `now`."""
        if self.reader is None:
            condition: Condition = self.tracker  # type: ignore[assignment]
            return condition.truth(self.slot, now, self.known), condition.readings(self.slot, now, self.known)
        closed = self.reader.closed(self.slot, now, self.known, 2) if self.reader.closed else None
        return self.reader.value(self.slot, now, self.known), closed


def paid(number: int, at: int) -> Event:
    return Event(
        f"e{number}", "paid", at, "usage", {"customer": "ada"}, {"amount": number / 4, "status": ["ok", "late"][at % 2]}
    )


def some_events() -> list[Event]:
    """Close together, far apart, at one moment, and out of order."""
    seconds = (0, 1, 1, 9, 40, 30, 61, 300, 290, 4_000, 90_000, 89_999)
    return [paid(number, MONDAY + at * SECOND + number % 2) for number, at in enumerate(seconds)]


# ---- the checks


def check_one_slot_knows_nothing_of_another(case: Case) -> None:
    one = Someone(case)
    other = one.tracker.empty(one.known)
    untouched = copy.deepcopy(other)
    for event in some_events():
        one.add(event)
        one.says(one.known.seen_at)
    assert other == untouched


def check_the_same_events_give_the_same_slot(case: Case) -> None:
    one, other = Someone(case), Someone(case)
    for event in some_events():
        assert one.add(event) is other.add(event)
    assert one.slot == other.slot


def check_an_event_is_not_changed(case: Case) -> None:
    someone = Someone(case)
    for event in some_events():
        before = copy.deepcopy(event)
        someone.add(event)
        assert event == before


def check_a_slot_survives_the_disk(case: Case) -> None:
    someone = Someone(case)
    for event in some_events():
        someone.add(event)
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(someone.slot))
        assert read == someone.slot
        someone.slot = read
    assert someone.says(someone.known.seen_at)


def check_reading_twice_gives_the_same(case: Case) -> None:
    someone = Someone(case)
    for event in some_events():
        someone.add(event)
        assert someone.says(someone.known.seen_at) == someone.says(someone.known.seen_at)
    later = someone.known.seen_at + 7_200 * SECOND
    assert someone.says(later) == someone.says(later)


def check_its_turn_is_never_in_the_past(case: Case) -> None:
    someone = Someone(case)
    for event in some_events():
        someone.add(event)
        now = someone.known.seen_at
        for _ in range(5):
            turn = someone.tracker.turn(someone.slot, now, someone.known)
            assert turn > now
            if turn == NEVER:
                break
            now = turn


def check_what_it_returns_is_a_verdict(case: Case) -> None:
    someone = Someone(case)
    assert all(someone.add(event) in (True, False, None) for event in some_events())


def check_nothing_is_unknown_unless_it_is_counted(case: Case) -> None:
    someone = Someone(case)
    if someone.reader is not None:
        value = someone.reader.value(someone.slot, MONDAY, someone.known)
        assert value == 0 if case.word in COUNTING else value is None
    else:
        condition: Condition = someone.tracker  # type: ignore[assignment]
        assert condition.truth(someone.slot, MONDAY, someone.known) is not True


def check_what_comes_too_late_is_refused_and_changes_nothing(case: Case) -> None:
    someone = Someone(case)
    someone.add(paid(1, MONDAY + 1 + 10**9))
    before = someone.says(someone.known.seen_at)
    verdict = someone.add(paid(2, MONDAY + 1 - 10**9))
    # A condition may be able to place any event, however late; a window has let go of its panes.
    assert verdict is False or not case.is_measure
    if verdict is False:
        assert someone.says(someone.known.seen_at) == before


def check_odd_attributes_do_no_harm(case: Case) -> None:
    someone = Someone(case)
    odd = [None, True, "", "ten", -0.0, 1e308, -1e308, 2**63, [1], {"a": 1}, "é" * 100]
    for number, value in enumerate(odd):
        attributes = {"amount": value, "status": value}
        someone.add(Event(f"o{number}", "paid", MONDAY + number, "usage", {"customer": "ada"}, attributes))
        assert someone.says(MONDAY + number)
    someone.add(Event("bare", "paid", MONDAY + 99, "usage", {"customer": "ada"}, {}))


def check_a_slot_is_adopted_under_the_same_columns_unchanged(case: Case) -> None:
    someone = Someone(case)
    for event in some_events():
        someone.add(event)
    before = someone.says(someone.known.seen_at)
    someone.slot = someone.tracker.adopt(someone.slot, someone.tracker.columns, someone.known)
    assert someone.says(someone.known.seen_at) == before


def check_two_builds_have_one_identity(case: Case) -> None:
    one, other = case.build()[0], case.build()[0]
    assert (one.identity, one.columns, one.events) == (other.identity, other.columns, other.events)
    assert "object at 0x" not in one.identity, "an identity must outlive the process"


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("word", OF_EVENTS)
def test_every_detector(word: str, check: Callable[[Case], None]) -> None:
    for case in shapes_of(word):
        check(case)


# ---- once per word or file


@pytest.mark.parametrize("word", WORDS)
def test_a_word_can_be_used(word: str) -> None:
    assert list(shapes_of(word)), "no combination of its options is allowed"


@pytest.mark.parametrize("word", WORDS)
def test_every_option_says_what_it_is_for(word: str) -> None:
    options = KINDS[word].options
    marks = marks_of(options)
    assert set(marks) == {field.name for field in msgspec.structs.fields(options)}
    for name, (mark, sentence) in marks.items():
        assert mark in As, name
        assert re.match(r"[a-z0-9].{9,}[^.]$", sentence), f"{name}: {sentence!r} should be a short phrase"


def example_in(docstring: str) -> Any:
    """The indented block of a docstring, read as YAML."""
    indented = [line for line in docstring.splitlines() if line.startswith("    ")]
    return YAML(typ="safe").load(textwrap.dedent("\n".join(indented)))


@pytest.mark.parametrize("word", WORDS)
def test_its_file_shows_it_in_use_and_says_what_it_cannot_do(word: str) -> None:
    module = inspect.getmodule(KINDS[word])
    assert module is not None
    docstring = inspect.cleandoc(module.__doc__ or "")
    example = example_in(docstring)
    assert set(example) <= {"watch", "when"}, "show a part of a detector"
    used = {
        key for part in example.values() for entry in [part, *part.values()] if isinstance(entry, dict) for key in entry
    }
    assert used & set(KINDS[word].words), "the example uses none of the words of the file"
    assert re.search(r"cannot|knows nothing", docstring)


def test_words_are_unique() -> None:
    offered = [word for kind in {id(kind): kind for kind in KINDS.values()}.values() for word in kind.words]
    assert sorted(offered) == WORDS


def test_no_detector_holds_what_changes() -> None:
    """A tracker serves all entities, so what it learns about one must not stay in it."""
    for case in CASES:
        tracker, _reader = case.build()
        before = {name: repr(value) for name, value in vars(tracker).items() if not callable(value)}
        someone = Someone(case)
        someone.tracker = tracker
        for event in some_events():
            someone.add(event)
        assert {name: repr(value) for name, value in vars(tracker).items() if not callable(value)} == before
