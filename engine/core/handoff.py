"""Hand-offs: somebody answered a message, and a person takes over who knows what it was about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.core.course_state import Answer, Course, Heard, Message
from engine.core.digest import digest
from engine.core.moments import spoken_moment
from engine.core.quiet import awake_at
from engine.core.unit_state import UnitState, Waiting
from engine.model import Signal
from engine.spec.policies import HandOff
from engine.spec.quiet import DAYS
from engine.spec.types import FIRST_STEP, Configuration

_STEP = "answer:"


def is_answer(step: str) -> bool:
    """Does that step follow up what somebody replied?"""
    return step.startswith(_STEP)


class HandOffs:
    """Who takes over, under one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._spec = configuration.project.policies.hand_off
        self._plays = configuration.plays

    def opened(self, unit: UnitState, course: Course, heard: Heard, steps: Sequence[str]) -> list[Waiting]:
        """What is to be done about a reply; `steps` are those that it has ended. Nothing where a colleague has it."""
        spec, signal = self._spec, _signal_of(unit, course)
        person = heard.whose or course.whose
        if spec is None or signal is None or not self._is_new(unit, spec, person, heard.at):
            return []
        answer = Answer(
            at=heard.at,
            whose=person,
            said=heard.said,
            sent=tuple(sent_lines(unit, course.signal_id)),
            recommended=self._recommended(course.play, steps),
            opens=opens(spec, heard.at),
        )
        plays = [spec.play, *([spec.away] if spec.away and answer.opens else [])]
        step = f"{_STEP}{digest(heard.event, heard.id)[:8]}"
        return [Waiting(signal, play, heard.at, heard.at, step=step, answer=answer) for play in plays]

    def _is_new(self, unit: UnitState, spec: HandOff, person: str, at: int) -> bool:
        """A reply joins what a colleague has already, and one that comes twice opens nothing a second time."""
        if any(one.play == spec.play and one.answer and one.answer.whose == person for one in unit.candidates):
            return False
        known = [one for course in unit.courses if course.play == spec.play and course.whose == person
                 for one in course.messages if is_answer(one.step)]  # fmt: skip
        return all(one.is_taken_up and at > _taken_up_at(one) for one in known)

    def _recommended(self, play: str, steps: Sequence[str]) -> str:
        """What the play says, else what it would have done next."""
        spec = self._plays.get(play)
        if spec is None:
            return ""
        following = [step.play.title or step.name for step in spec.steps if step.name in steps]
        return spec.recommend or (f"next would have been: {following[0]}" if following else "")


def _taken_up_at(message: Message) -> int:
    return max(at for kind, at in message.reactions.items() if kind in ("answered", "acknowledged"))


def _signal_of(unit: UnitState, course: Course) -> Signal | None:
    """What it was about; of an old course, what the latest to that person was about."""
    if course.signal is not None:
        return course.signal
    others = [one for one in unit.courses if one.whose == course.whose and one.signal is not None]
    latest = max(others, key=lambda one: (one.last_at, one.signal_id), default=None)
    return latest.signal if latest else None


def sent_lines(unit: UnitState, signal_id: str) -> Iterable[str]:
    """What went out about a signal so far, a line each, the first first."""
    courses = [course for course in unit.courses if course.signal_id == signal_id]
    sent = [(one.at, course.play, one) for course in courses for one in course.messages if not one.is_shadow]
    for at, play, message in sorted(sent, key=lambda each: each[:2]):
        step = "" if message.step == FIRST_STEP or is_answer(message.step) else f" ({message.step})"
        title = f": {message.title}" if message.title else ""
        yield f"{spoken_moment(at)} {play}{step} to {message.recipient} by {message.channel}{title}"


def opens(spec: HandOff, at: int) -> str:
    """`Monday 2026-01-05 09:00 Europe/Rome`, when the desk is there next; "" if it is now."""
    if spec.closed is None:
        return ""
    zone = spec.closed.unknown_zone[0]
    until = awake_at(at, spec.closed, (zone,))
    if until == at:
        return ""
    local = datetime.fromtimestamp(until / 1000, UTC).astimezone(ZoneInfo(zone))
    return f"{DAYS[local.weekday()].capitalize()} {local:%Y-%m-%d %H:%M} {zone}"
