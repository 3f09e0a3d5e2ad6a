"""Events with a text and no score get one as they are read, the same wherever and however often they are read."""

from __future__ import annotations

import time
from functools import cache
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.models.text import PLACES as MODEL_PLACES
from engine.core.models.text import TextChance, places_of
from engine.core.route import Router, Row, Watched
from engine.core.scoring import READ_CHARS, scorer_of
from engine.model import Event, Json
from engine.spec.scoring import TextSpec
from engine.spec.texts import PLACES, TAKEN_APART
from engine.spec.types import EntitySpec, EventMap, ProjectSpec, StreamSpec, TimeFrom, ValueFrom

MONDAY = 1_767_571_200_000
WATCHED = Watched(all_events=frozenset({"customer"}))
TEXTS = (
    "Two of my 12 parcels aren't here!! Where? See https://example.com/x @northwind",
    "I won\u2019t wait without an answer, nor pay 4711 EUR \u2026",
    "Größe passt nicht, danke für nichts; 100 %",
    "",
)


@cache
def learned() -> TextSpec:
    model = TextChance()
    for number in range(40):
        model.learn(f"thank you so much, parcel {number} came early", meant=True)
        model.learn(f"this is terrible, parcel {number} is lost again", meant=False)
    weights = {place: weight for place, (weight, _corrected) in model.state()[1].items()}
    return TextSpec(fields=("body",), into="score", weights=weights)


def router_of(text: TextSpec | None, **stream: object) -> Router:
    spec = StreamSpec(name="chat", family="sentiment", text=text, **stream)  # type: ignore[arg-type]
    return Router(ProjectSpec(entities=(EntitySpec(kind="customer", fields=("customer",)),), streams=(spec,)), WATCHED)


def read(router: Router, fields: dict[str, Json]) -> Event:
    row = Row("chat", "chat.jsonl", 1, b"{}", {"id": "1", "event": "said", "at": MONDAY, "customer": "ada", **fields})
    (event,) = router.events(row)
    assert isinstance(event, Event), event
    return event


def test_the_length_of_a_text_is_told_where_it_is_wanted() -> None:
    spec = replace(learned(), length_into="length")
    assert read(router_of(spec), {"body": "It came early."}).attributes["length"] == 14
    assert read(router_of(spec), {"body": "x" * 5_000}).attributes["length"] == READ_CHARS
    assert "length" not in read(router_of(spec), {"body": ""}).attributes
    assert "length" not in read(router_of(learned()), {"body": "It came early."}).attributes


def test_a_length_or_a_score_that_is_there_stays_and_the_other_is_told() -> None:
    router = router_of(replace(learned(), length_into="length"))
    scored = read(router, {"body": "It came early.", "score": -0.5}).attributes
    assert (scored["score"], scored["length"]) == (-0.5, 14)
    measured = read(router, {"body": "thank you, it came early", "length": 3}).attributes
    assert measured["length"] == 3
    assert isinstance(measured["score"], float)


def test_a_text_without_a_score_gets_one_between_minus_one_and_one() -> None:
    router = router_of(learned())
    warm = read(router, {"body": "thank you, it came early"}).attributes["score"]
    terse = read(router, {"body": "terrible, it is lost"}).attributes["score"]
    assert isinstance(warm, float)
    assert isinstance(terse, float)
    assert -1 < terse < -0.3 < 0.3 < warm < 1


@pytest.mark.parametrize("given", [0, 0.25, -1])
def test_a_number_that_is_there_stays(given: float) -> None:
    assert read(router_of(learned()), {"body": "terrible", "score": given}).attributes["score"] == given


@pytest.mark.parametrize("given", [None, "", "bad", True])
def test_what_is_no_number_is_no_score(given: Json) -> None:
    assert isinstance(read(router_of(learned()), {"body": "terrible", "score": given}).attributes["score"], float)


@pytest.mark.parametrize("body", [None, "", "  ", 5, ["a"], {"text": "terrible"}])
def test_where_there_is_no_text_there_is_no_score(body: Json) -> None:
    assert "score" not in read(router_of(learned()), {"body": body}).attributes


def test_several_fields_are_read_as_one_text() -> None:
    spec = learned()
    both = TextSpec(fields=("subject", "mail.body"), into="mood", weights=spec.weights)
    event = read(router_of(both), {"subject": "terrible", "mail": {"body": "lost again"}})
    assert event.attributes["mood"] == scorer_of(spec)("terrible\nlost again")


def test_the_row_itself_is_not_changed() -> None:
    fields: dict[str, Json] = {"id": "1", "event": "said", "at": MONDAY, "customer": "ada", "body": "terrible"}
    router_of(learned()).events(Row("chat", "chat.jsonl", 1, b"{}", fields))
    assert "score" not in fields


def test_mapped_rows_are_scored_by_their_attributes() -> None:
    mapped = EventMap(
        event=ValueFrom(constant="said"), at=TimeFrom(), attributes={"body": ValueFrom(field="What they said")}
    )
    event = read(router_of(learned(), maps=(mapped,)), {"What they said": "terrible, it is lost"})
    assert isinstance(event.attributes["score"], float)


def test_a_row_by_itself_and_among_others_comes_to_the_same() -> None:
    """`route_all` has a short way for ordinary rows, which must not be taken here."""
    raw = b'{"id":"%d","event":"said","at":1767571200000,"customer":"ada","body":"terrible, lost"}'
    rows = [Row("chat", "chat.jsonl", number, raw % number) for number in range(3)]
    alone, together = router_of(learned()), router_of(learned())
    singly = [record for row in rows for record in [*alone.route(row), *alone.ticks()]]
    assert list(together.route_all(rows, [])) == singly
    assert "score" in str(singly)


def test_without_text_in_the_configuration_nothing_is_scored() -> None:
    assert "score" not in read(router_of(None), {"body": "terrible"}).attributes


def test_weights_are_told_from_those_of_texts_taken_apart_in_another_way() -> None:
    """Whoever changes how a text is taken apart must change the mark, so that old files are refused."""
    parts = repr([places_of(text) for text in TEXTS])
    assert blake2b(parts.encode(), digest_size=4).hexdigest() == TAKEN_APART
    assert PLACES == MODEL_PLACES


# ---- the library


def library() -> TextSpec:
    pytest.importorskip("vaderSentiment", reason="the extra `text` is not installed")
    return TextSpec(fields=("body",), into="score")


def test_the_library_scores_english_without_any_examples() -> None:
    score = scorer_of(library())
    assert score("Thank you, that was wonderful!") > 0.5
    assert score("This is the worst service ever, I am furious.") < -0.5
    assert score("The parcel is in Rome.") == 0


@given(
    st.one_of(st.text(max_size=300), st.lists(st.sampled_from(["not", "but", "VERY", "good", "no", ":)", "!", "'"])))
)
def test_any_text_has_a_score(text: str | list[str]) -> None:
    written = text if isinstance(text, str) else " ".join(text)
    for spec in (library(), learned()):
        assert -1 <= scorer_of(spec)(written) <= 1


@pytest.mark.parametrize("piece", ["bad ", "not good but ", "\U0001f600", "\U0001f600\U0001f621 ", "!?", "x", "A "])
def test_no_text_takes_long(piece: str) -> None:
    score, text = scorer_of(library()), (piece * READ_CHARS)[:READ_CHARS]
    began = time.process_time()
    assert -1 <= score(text) <= 1
    assert time.process_time() - began < 1
