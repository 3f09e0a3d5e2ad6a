"""Leaving those alone who ignored or dismissed what they got: the gate `suppressed`.

Nothing is kept for it beside the messages and what was done with them, so a rule that changes takes effect at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.core.course_state import Course, Message
from engine.core.moments import spoken_length, spoken_moment
from engine.core.unit_state import Candidate
from engine.spec.policies import Suppress

# What shows that a message was not ignored. One that could not be delivered was not, either.
_NOT_IGNORED = frozenset({"opened", "clicked", "replied", "acknowledged", "dismissed", "bounced"})


def suppressed(candidate: Candidate) -> str:
    """The sentence of the rule that leaves the recipient alone for longest, "" if none does."""
    play = candidate.play
    if play.purpose == "critical" or play.mandatory:
        return ""
    rules = [(rule, play.name) for rule in play.suppress]
    rules += [(rule, "") for rule in candidate.project.policies.suppress]
    active = [(until, rule) for rule, of_play in rules if (until := _until(rule, of_play, candidate)) > candidate.now]
    if not active:
        return ""
    until, rule = max(active, key=lambda one: one[0])
    what = f"{' or '.join(rule.of)} {rule.after} of our messages in {spoken_length(rule.within_ms)}"
    return f"{candidate.recipient} has {what}; left alone until {spoken_moment(until)}"


def _until(rule: Suppress, play: str, candidate: Candidate) -> int:
    """Until when the rule leaves them alone, 0 if it never began to."""
    times = sorted(_times(rule, play, candidate))
    return max((at + rule.for_ms for at in _filled(times, rule)), default=0)


def _filled(times: Sequence[int], rule: Suppress) -> Iterator[int]:
    """The moments at which so many came together within the span."""
    for first, last in zip(times, times[rule.after - 1 :], strict=False):
        if last - first < rule.within_ms:
            yield last


def _times(rule: Suppress, play: str, candidate: Candidate) -> Iterator[int]:
    """When each message to the recipient was dismissed, or had been ignored for long enough."""
    for course in candidate.unit.courses:
        for message in course.messages if play in ("", course.play) else ():
            at = _bad_at(rule, course, message)
            if message.recipient == candidate.recipient and not message.is_shadow and 0 < at <= candidate.now:
                yield at


def _bad_at(rule: Suppress, course: Course, message: Message) -> int:
    if "dismissed" in rule.of and "dismissed" in message.reactions:
        return message.reactions["dismissed"]
    if "ignored" not in rule.of or course.worked_at or not _NOT_IGNORED.isdisjoint(message.reactions):
        return 0
    return message.at + rule.ignored_after_ms


def looks_back_ms(rules: Sequence[Suppress]) -> int:
    """How long messages have to be remembered for them."""
    return max((rule.within_ms + rule.for_ms + rule.ignored_after_ms for rule in rules), default=0)
