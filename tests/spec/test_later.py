"""What the language keeps for later is told as such, once each, and nothing else is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec import broken

HEAD = "detector: soon\nowner: care\nreason: errors\nper: account\n"
TESTS = "tests: [{name: quiet, given: [{event: app.opened, account: acme}], expect: nothing}]\n"
LATER = {
    "a score": (
        "watch:\n  risk:\n    score:\n      - {points: 10, firing: calm}\n      - {points: 5, happened: app.opened}\n"
        "when: {risk: {at_least: 12}}\n",
        ["score"],
    ),
    "a date": ('when: {date: {of: account.ends_on, before: 20d, at: "08:00"}}\n', ["date"]),
}


@pytest.mark.parametrize(("body", "words"), LATER.values(), ids=LATER)
def test_a_word_of_later_versions_is_named_and_nothing_else(body: str, words: list[str], tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", (HEAD + body + TESTS).encode())
    problems = broken.problems_of(tmp_path)
    assert {problem.code for problem in problems} == {"later"}
    expected = {f"'{word}' is not available yet - it comes in a later version" for word in words}
    assert {problem.message for problem in problems} == expected


def test_a_detector_that_waits_for_one_of_later_is_not_told_that_it_does_not_exist(tmp_path: Path) -> None:
    body, _words = LATER["a score"]
    waiting = broken.DETECTOR.replace("calm", "waiting") + "unless: {firing: soon}\n"
    broken.write(tmp_path, "detector", (HEAD + body + TESTS + "---" + waiting).encode())
    assert [problem.code for problem in broken.problems_of(tmp_path)] == ["later"]


@pytest.mark.parametrize("word", ["score", "date"])
def test_an_attribute_may_bear_such_a_name(word: str, tmp_path: Path) -> None:
    text = broken.DETECTOR.replace("over: 7d", f"over: 7d, where: {{{word}: {{below: 0}}}}")
    text = (
        text.replace("account: acme}", f"account: acme, {word}: -1}}") + f"only_if: {{account.{word}: {{is_not: 1}}}}\n"
    )
    broken.write(tmp_path, "detector", text.encode())
    assert broken.said_of(tmp_path) == []
