"""Texts say what they should, tell what they missed, and cannot grow out of hand or look at the clock."""

from __future__ import annotations

import time

import pytest

from engine.model import Json
from engine.spec.text import MOST_CHARS, TextError, compile_text


def rendered(source: str, **values: Json) -> str:
    return compile_text(source).render(values)[0]


def test_a_text_is_filled_in() -> None:
    source = "{{ account.name }} has {{ cases }} cases{% if cases > 3 %}, too many{% endif %}."
    assert rendered(source, account={"name": "Acme"}, cases=4) == "Acme has 4 cases, too many."


def test_what_is_missing_or_null_is_empty_and_named() -> None:
    text = compile_text("[{{ account.name }}{{ account.city | upcase }}{{ cases }}]")
    assert text.render({"account": {"name": None}, "cases": 3}) == ("[3]", ("account.name", "account.city"))


def test_what_has_a_default_or_is_asked_for_first_is_not_missed() -> None:
    text = compile_text("{{ account.name | default: 'you' }}{% if account.city %} in {{ account.city }}{% endif %}")
    assert text.render({}) == ("you", ())


def test_the_names_a_text_reads_are_known_beforehand() -> None:
    text = compile_text("{% assign n = cases %}{% for e in event_ids %}{{ e }}{{ n }}{% endfor %}{{ account.name }}")
    assert text.variables == ("cases", "event_ids", "account.name")
    assert [use.root for use in text.uses] == ["cases", "event_ids", "account"]


@pytest.mark.parametrize(
    "source",
    [
        "{{ a", "{% if a %}", "{% include 'x' %}", "{% render 'x' %}", "{% nothing %}", "{{ a | nothing }}",
        "{{ a | base64_decode }}", "{{ 'now' | date: '%H' }}", "{{ 'today'|date: '%H' }}",
        "{% tablerow i in a %}{% endtablerow %}",
        "x" * 20_001, "{% if a %}" * 20 + "{% endif %}" * 20,
    ],
    ids=range(12),
)  # fmt: skip
def test_what_a_text_may_not_do_is_refused(source: str) -> None:
    with pytest.raises(TextError):
        compile_text(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{{ (1..1000000000) | join: ',' }}",
        "{{ (1..1000000000) | reverse | sort | map: 'a' | sum }}",
        "{% assign x = 9 %}{% for i in (1..190) %}{% assign x = x | times: x %}{% endfor %}{{ x }}",
        "{% assign x = 'aa' %}{% for i in (1..190) %}{% assign x = x | append: x %}{% endfor %}{{ x }}",
        "{% assign x = 'aa' %}{% for i in (1..190) %}{% assign x = x | replace: 'a', x %}{% endfor %}{{ x }}",
        "{% for i in (1..190) %}{% for j in (1..190) %}{% for k in (1..190) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% capture x %}{% for i in (1..190) %}{{ long }}{% endfor %}{% endcapture %}{{ x }}",
        "{% for i in (1..190) %}{{ long }}{% endfor %}",
        "{{ many | join: long }}",
        "{{ big | plus: 1 | times: big }}",
        "{{ nothing | round: 99999999999 }}{{ '1.5' | round: 99999999999 }}",
        "{{ at | divided_by: 0 }}{{ at | modulo: 0 }}{{ many | times: 2 }}{{ at | slice: 'x' }}",
        "{{ '9999-12-31T23:59:59-23:00' | date: '%s' }}{{ big | date: '%Y' }}",
    ],
    ids=range(14),
)
def test_a_text_out_of_hand_ends_early_and_quietly(source: str) -> None:
    began = time.perf_counter()
    values: dict[str, Json] = {"long": "y" * 10_000, "many": ["z"] * 5_000, "big": 10**300, "at": 5}
    text, _missing = compile_text(source).render(values)
    assert len(text) <= MOST_CHARS
    assert time.perf_counter() - began < 1


def test_a_fault_leaves_out_its_part_only() -> None:
    assert rendered("a{{ x | divided_by: 0 }}b", x=1) == "ab"


def test_dates_are_told_in_utc_or_in_their_own_offset() -> None:
    source = "{{ at | date: '%d %B %Y, %H:%M' }}"
    assert rendered(source, at=1_767_571_200_000) == "05 January 2026, 00:00"
    assert rendered(source, at=1_767_571_200) == "05 January 2026, 00:00"
    assert rendered(source, at="2026-01-05T09:30:00+02:00") == "05 January 2026, 09:30"
    assert rendered(source, at="now") == "now"


def test_the_length_is_bounded_as_asked() -> None:
    assert compile_text("{{ a }}{{ a }}").render({"a": "xyz"}, limit=4) == ("xyzx", ())


def test_html_and_braces_in_values_stay_what_they_are() -> None:
    assert rendered("{{ a }}", a="<b>{{ why }}</b>") == "<b>{{ why }}</b>"
