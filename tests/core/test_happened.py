"""`happened`: what the person has done or met with lately. Each story ends with a failed login that wants a play."""

from __future__ import annotations

from typing import Any

from engine.core.erasure import strip_unit
from engine.spec.types import Eligibility, Happened, PlaySpec
from tests.core.worlds import World, compare, detector, is_, ms, play, watch

TICKET = Happened(("ticket.opened",), within_ms=ms("2d"))


class Story(World):
    """A play about each failed login, asking `only_if` and `unless`."""

    def __init__(self, only_if: Eligibility = (), unless: Eligibility = (), what: PlaySpec | None = None) -> None:
        fails = watch("fails", "count", "login.failed", over="1m")
        self._play = what or play("call", only_if=only_if, unless=unless)
        spec = detector("fails", "session", compare("fails", "at_least", 1), fails, play=self._play.name)
        super().__init__(spec, plays=(self._play,))
        self._count = 0

    def fails(self, at: str, **who: Any) -> str:
        self._count += 1
        self.event("login.failed", at, session=f"s{self._count}", **(who or {"customer": "ada", "account": "acme"}))
        return self.decided()[-1]


def test_what_happened_lets_a_play_go_or_holds_it_back_as_long_as_it_is_recent() -> None:
    for story, before, after in (
        (Story(only_if=(TICKET,)), "only_if", "chosen"),
        (Story(unless=(TICKET,)), "chosen", "unless"),
    ):
        assert story.fails("0h") == before
        story.event("ticket.opened", "1h", customer="ada", account="acme")
        assert story.fails("2h") == after
        story.restart()
        assert story.fails("2d") == after
        assert story.fails("2d 1h") == before, "exactly two days ago is no longer within two days"


def test_without_within_it_is_never_forgotten() -> None:
    story = Story(unless=(Happened(("ticket.opened",)),))
    story.event("ticket.opened", "1h", customer="ada", account="acme")
    assert story.fails("300d") == "unless"


def test_only_events_that_match_count_and_one_of_several_types_is_enough() -> None:
    story = Story(unless=(Happened(("ticket.opened", "called"), (is_("priority", ["high", "urgent"]),)),))
    story.event("ticket.opened", "1h", customer="ada", account="acme", priority="low")
    assert story.fails("2h") == "chosen"
    story.event("called", "3h", customer="ada", account="acme", priority="urgent")
    assert story.fails("4h") == "unless"


def test_what_happened_to_somebody_else_of_the_account_does_not_count_and_to_the_account_does() -> None:
    story = Story(unless=(TICKET,))
    story.event("ticket.opened", "1h", customer="bob", account="acme")
    assert story.fails("2h") == "chosen"
    assert story.fails("3h", account="acme") == "unless", "a play for the account asks about anybody in it"
    story.event("ticket.opened", "4h", account="acme")
    assert story.fails("5h") == "unless"


def test_a_colleague_is_asked_about_the_customer_that_it_concerns() -> None:
    story = Story(what=play("phone", to="owner", unless=(TICKET,)))
    story.event("ticket.opened", "1h", customer="bob", account="acme")
    assert story.fails("2h", customer="ada", account="acme") == "chosen"
    assert story.fails("3h", customer="bob", account="acme") == "unless"


def test_the_decision_says_what_has_happened() -> None:
    story = Story(unless=(Happened(("ticket.opened",), (is_("priority", ["high", "urgent"]),), ms("2d")),))
    story.event("ticket.opened", "1h", customer="ada", account="acme", priority="high")
    story.fails("2h")
    expected = "not if ticket.opened (priority is high or urgent) has happened in the last 2d, and it has"
    assert story.done.decisions[-1].detail == expected


def test_an_event_counts_from_its_moment_on_however_it_comes() -> None:
    """Of the same tick, the ticket comes first and is later than the decision."""
    story = Story(unless=(TICKET,))
    story.hears("ticket.opened", "3h", customer="ada", account="acme")
    story.hears("login.failed", "2h", session="s", customer="ada", account="acme")
    story.wait_until("5h")
    assert story.decided() == ["chosen"]


def test_only_the_last_time_is_kept_and_nothing_that_nobody_asks_about() -> None:
    story = Story(unless=(TICKET,))
    for hour in range(40):
        story.event("ticket.opened", f"{hour}h", customer=f"c{hour % 3}", account="acme")
        story.event("paid", f"{hour}h", customer="ada", account="acme")
    story.event("ticket.opened", "9d", customer="ada", account="acme")
    unit = story.chain.units.get("account:acme")
    assert [len(times) for times in unit.happened.values()] == [1]
    assert unit.heard == []


def test_whoever_is_erased_is_gone_from_it() -> None:
    story = Story(unless=(TICKET,))
    story.event("ticket.opened", "1h", customer="ada", account="acme")
    unit = story.chain.units.change("account:acme")
    strip_unit(unit, "customer:ada")
    assert "ada" not in repr(unit)
