"""Scalars mean what they look like, and every key and value knows its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Scalar
from engine.spec.nodes import MappingNode, Node, ScalarNode, plain
from engine.spec.report import Report
from engine.spec.types import Place
from engine.spec.yaml import read_documents, resolve


def documents(text: str) -> list[Node]:
    report = Report()
    found = read_documents("f.yml", text.encode(), report)
    assert report.problems == []
    return found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("22:00", "22:00"),
        ("7:30", "7:30"),
        ("08:00", "08:00"),
        ("NO", "NO"),
        ("on", "on"),
        ("010", "010"),
        ("0123456", "0123456"),
        ("+15550100", "+15550100"),
        ("2026-01-05", "2026-01-05"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("1e3", 1000.0),
        ("1.10", 1.1),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
    ],
)
def test_a_plain_scalar_is_what_it_looks_like(written: str, meant: Scalar) -> None:
    assert resolve(written) == meant
    assert type(resolve(written)) is type(meant)


def test_quotes_make_a_text() -> None:
    assert [plain(node) for node in documents("{a: '7', b: \"true\", c: 7}")] == [{"a": "7", "b": "true", "c": 7}]


def test_keys_and_values_know_line_and_column() -> None:
    (document,) = documents("# first\na: 1\nb:\n  - {c: x}\n")
    assert isinstance(document, MappingNode)
    assert [entry.key.place for entry in document] == [Place("f.yml", 2, 1), Place("f.yml", 3, 1)]
    assert [entry.value.place for entry in document] == [Place("f.yml", 2, 4), Place("f.yml", 4, 3)]


def test_a_file_holds_several_documents_and_empty_ones_do_not_count() -> None:
    assert [plain(node) for node in documents("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n")] == [{"a": 1}, {"b": 2}]
    assert documents("") == []


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("a: plain words  # a note\n", (1, 4)),
        ("a: 'in quotes'\n", (1, 5)),
        ('a: "tab\\t"\n', (0, 0)),
        ("a: |\n  one\n  two\n", (2, 3)),
        ("a: |\n\n    one\n", (2, 5)),
        ("a: >\n  one\n  two\n", (0, 0)),
        ("a: one\n  two\n", (0, 0)),
    ],
)
def test_a_text_knows_where_its_letters_stand_if_they_are_as_written(text: str, body: tuple[int, int]) -> None:
    (document,) = documents(text)
    assert isinstance(document, MappingNode)
    value = document.get("a")
    assert isinstance(value, ScalarNode)
    assert value.body == body


@given(st.binary(max_size=200) | st.text("{}[]:,-&*!|>'\"#%@` \n\tab~<?", max_size=60).map(str.encode))
def test_whatever_is_in_a_file_gives_nodes_or_problems(raw: bytes) -> None:
    report = Report()
    found = read_documents("f.yml", raw, report)
    assert all(problem.path == "f.yml" and problem.message for problem in report.problems)
    for node in found:
        plain(node)
