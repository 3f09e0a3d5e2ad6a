"""Whoever ignored or dismissed what they got is left alone for a while. Each story: one message a day to Ada."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.policies import Policies, Reactions, Suppress
from engine.spec.types import Happened, PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

KINDS = ("opened", "clicked", "dismissed", "replied", "acknowledged", "answered", "bounced")
REACTIONS = Reactions(kinds={kind: kind for kind in KINDS}, remember_ms=ms("30d"))
ADA = {"customer": "ada", "account": "acme"}


def rule(*of: str, after: int = 3, within: str = "30d", for_: str = "60d", ignored_after: str = "1d") -> Suppress:
    return Suppress(after=after, of=of, within_ms=ms(within), for_ms=ms(for_), ignored_after_ms=ms(ignored_after))


class Story(World):
    def __init__(self, *plays: PlaySpec, rules: tuple[Suppress, ...] = ()) -> None:
        specs = [
            detector(each.name, "session", compare(each.name, "at_least", 1),
                     watch(each.name, "count", each.name, over="1m"), play=each.name)
            for each in plays
        ]  # fmt: skip
        super().__init__(*specs, plays=plays, policies=Policies(reactions=REACTIONS, suppress=rules))
        self._count = 0

    def wants(self, at: str, name: str = "offer", customer: str = "ada", **more: Any) -> str:
        self._count += 1
        self.event(name, at, session=f"s{self._count}", customer=customer, account="acme", **more)
        return self.decided()[-1]


OFFER = play("offer", suppress=(rule("ignored"),))


def test_after_several_that_were_ignored_nothing_goes_to_them_for_a_while() -> None:
    """The third is ignored at the end of the third day; from then on it is sixty days."""
    story = Story(OFFER)
    assert [story.wants(f"{day}d") for day in range(3)] == ["chosen"] * 3
    assert story.wants("2d 23h") == "chosen", "the third may be answered yet"
    story.restart()
    assert story.wants("3d") == "suppressed"
    assert story.done.decisions[-1].detail == (
        "customer:ada has ignored 3 of our messages in 30d; left alone until 2026-03-09 00:00 UTC"
    )
    assert story.wants("3d", customer="bob") == "chosen"
    assert story.wants("63d 22h") == "suppressed"
    assert story.wants("64d") == "chosen", "the fourth was ignored a day after the third"


@pytest.mark.parametrize("kind", ["opened", "clicked", "replied", "acknowledged", "bounced"])
def test_what_somebody_did_something_with_was_not_ignored(kind: str) -> None:
    story = Story(OFFER)
    for day in range(6):
        assert story.wants(f"{day}d") == "chosen"
        if day > 1:
            story.event(kind, f"{day}d 1h", **ADA)


def test_a_goal_shows_too_that_it_was_not_ignored() -> None:
    story = Story(play("offer", suppress=(rule("ignored"),), goal=Happened(("bought",), within_ms=ms("1d"))))
    for day in range(9):
        assert story.wants(f"{day}d") == "chosen"
        if day > 1:
            story.event("bought", f"{day}d 1h", **ADA)


def test_dismissing_counts_at_once_and_other_plays_do_not_count_for_a_plays_own_rule() -> None:
    story = Story(play("offer", suppress=(rule("dismissed", after=2),)), play("survey"))
    for at, name in (("1h", "offer"), ("2h", "survey"), ("3h", "survey")):
        assert story.wants(at, name) == "chosen"
        story.event("dismissed", f"{at} 30m", **ADA)
    assert story.wants("4h") == "chosen"
    story.event("dismissed", "4h 30m", **ADA)
    assert story.wants("5h") == "suppressed"
    assert story.wants("6h", "survey") == "chosen"


def test_a_rule_of_the_project_counts_all_plays_and_stops_all_but_those_that_are_owed() -> None:
    critical, owed = play("lock", purpose="critical"), play("terms", mandatory=True)
    story = Story(play("offer"), play("survey"), critical, owed, play("desk", to="owner"), rules=(rule("dismissed"),))
    for at, name in (("1h", "offer"), ("2h", "survey"), ("3h", "offer")):
        story.wants(at, name)
        story.event("dismissed", f"{at} 30m", **ADA)
    told = {name: story.wants("5h", name) for name in ("offer", "survey", "lock", "terms", "desk")}
    assert told == {
        "offer": "suppressed",
        "survey": "suppressed",
        "lock": "chosen",
        "terms": "chosen",
        "desk": "chosen",
    }


def test_so_many_have_to_come_together_within_the_span() -> None:
    story = Story(play("offer", suppress=(rule("dismissed", after=2, within="1d"),)))
    for at in ("1h", "1d 1h", "3d"):
        assert story.wants(at) == "chosen"
        story.event("dismissed", at, **ADA)
    story.event("dismissed", "3d 1h", **ADA)
    assert story.wants("3d 2h") == "chosen", "the same message put away twice is one"
    story.event("dismissed", "3d 3h", **ADA)
    assert story.wants("3d 4h") == "suppressed"
