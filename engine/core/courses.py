"""Courses: what follows the first message of a play, and what ends it.

A course is remembered as its messages; the step to come waits with the unit like any other candidate, and passes every
gate when its time has come. What people do ends it: then that candidate is dropped, at a gate named after the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from engine.core.course_state import MOST_COURSES, MOST_SIGNALS, Course, Heard, Message
from engine.core.gates import ON_PURPOSE, Stop
from engine.core.handoff import HandOffs, is_answer
from engine.core.happened import name_of, spoken_happened, whose
from engine.core.incidents import is_update
from engine.core.moments import spoken_length
from engine.core.suppress import looks_back_ms
from engine.core.unit_state import Candidate, UnitState, Waiting, again, recipient_of
from engine.model import Action, Outcome
from engine.spec.types import FIRST_STEP, Configuration

# Reactions after which the engine has nothing more to say; a colleague or the customer has.
_ENDING = {
    "replied": "they answered",
    "dismissed": "they put it away",
    "acknowledged": "somebody takes care of it",
}
# Gates behind which no further step can come.
_ENDS = frozenset({"resolved", "expired", "goal", "stop_if", *_ENDING})


class Result(msgspec.Struct, frozen=True):
    """What came of a message: its goal was reached, or a colleague took it up after `took_ms`."""

    outcome: Outcome
    course: Course
    message: Message
    at: int
    gate: str
    detail: str
    took_ms: int = 0


class News(msgspec.Struct, frozen=True):
    """What follows from one event: what is to be written down, what is dropped, and what nobody could place."""

    results: tuple[Result, ...] = ()
    stopped: tuple[tuple[Waiting, Stop], ...] = ()
    is_unmatched: bool = False


class Courses:
    """The courses of all units, under one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        policies = configuration.project.policies
        self._plays = configuration.plays
        self._reactions = policies.reactions
        self._hand_offs = HandOffs(configuration)
        rules = [*policies.suppress, *(rule for play in self._plays.values() for rule in play.suppress)]
        goals = [play.goal.within_ms for play in self._plays.values() if play.goal]
        remember_ms = self._reactions.remember_ms if self._reactions else 0
        self._horizon_ms = max(remember_ms, looks_back_ms(rules), *goals, 0)

    # ---- what was decided

    def after(self, candidate: Candidate, stop: Stop | None) -> Waiting | None:
        """The step that follows what was decided for good, None where nothing does."""
        play = self._plays[candidate.play.name]
        if not play.steps or candidate.answer is not None or is_update(candidate.signal):
            return None
        went = stop is None or stop.gate in ON_PURPOSE
        goes_on = went if candidate.step == FIRST_STEP else stop is None or stop.gate not in _ENDS
        names = [FIRST_STEP, *(step.name for step in play.steps)]
        place = names.index(candidate.step)
        if not goes_on or place == len(play.steps):
            return None
        step = play.steps[place]
        return again(candidate, candidate.now, candidate.now + step.after_ms, step.name)

    def note(self, candidate: Candidate, action: Action | None) -> None:
        """Remember what was chosen; `action` is None where it was kept back on purpose."""
        play = self._plays[candidate.play.name]
        if candidate.play.to == "system" or not (self._reactions or play.goal or play.steps):
            return
        message = Message(
            action=action.id if action else "",
            at=candidate.now,
            recipient=candidate.recipient,
            channel=candidate.channel,
            title=action.title if action else "",
            step=candidate.step,
            is_shadow=action is None,
            reactions={},
            variants=candidate.variants,
        )
        self._course_of(candidate).messages.append(message)

    def _course_of(self, candidate: Candidate) -> Course:
        signal, unit = candidate.signal, candidate.unit
        for course in unit.courses:
            if (course.signal_id, course.play) == (signal.id, candidate.play.name):
                return course
        person = candidate.answer.whose if candidate.answer else whose(signal, candidate.recipient)
        course = Course(signal.id, candidate.play.name, person, signal, [])
        unit.courses.append(course)
        return course

    # ---- what happens

    def hear(self, unit: UnitState, heard: Heard) -> News:
        """Time has come to an event. Steps that it ends are taken out of the unit's candidates."""
        worked = [self._worked(course, heard) for course in unit.courses]
        results = [result for result in worked if result is not None]
        stopped = [self._stop(unit, r.course, "goal", f"{heard.event} came, which is its goal") for r in results]
        kind = self._reactions.kinds.get(heard.event, "") if self._reactions else ""
        is_unmatched = False
        if kind:
            found = _meant(unit, heard, kind)
            is_unmatched = found is None
            if found is not None:
                results += self._taken_up(*found, kind, heard)
                stopped.append(self._react(unit, *found, kind, heard))
        stopped.append(self._stop_if(unit, heard))
        return News(tuple(results), tuple(one for some in stopped for one in some), is_unmatched)

    def _worked(self, course: Course, heard: Heard) -> Result | None:
        play = self._plays.get(course.play)
        goal = play.goal if play else None
        if goal is None or course.worked_at or name_of(goal) not in heard.met or not course.concerns(heard.whose):
            return None
        since = heard.at - goal.within_ms
        message = next((one for one in reversed(course.messages) if since < one.at <= heard.at), None)
        if message is None:
            return None
        course.worked_at = heard.at
        after = spoken_length(heard.at - message.at)
        held_out = f"; {course.whose or 'they'} had been held out" if message.is_shadow else ""
        gate, detail = ("holdout" if message.is_shadow else "goal"), f"{heard.event} {after} after it{held_out}"
        return Result(Outcome.WORKED, course, message, heard.at, gate, detail)

    def _taken_up(self, course: Course, message: Message, kind: str, heard: Heard) -> Iterator[Result]:
        """A colleague has seen to it: how long did that take?"""
        if kind in ("answered", "acknowledged") and message.to_staff and not message.is_taken_up:
            took = heard.at - message.at
            detail = f"taken up by a person after {spoken_length(took)}"
            yield Result(Outcome.ANSWERED, course, message, heard.at, "hand_off", detail, took)

    def _react(
        self, unit: UnitState, course: Course, message: Message, kind: str, heard: Heard
    ) -> list[tuple[Waiting, Stop]]:
        message.reactions.setdefault(kind, heard.at)
        message.reactions[kind] = min(message.reactions[kind], heard.at)
        stopped = self._stop(unit, course, kind, _ENDING[kind]) if kind in _ENDING else []
        if kind == "replied":
            unit.candidates += self._hand_offs.opened(unit, course, heard, [waiting.step for waiting, _stop in stopped])
        return stopped

    def _stop(self, unit: UnitState, course: Course, gate: str, why: str) -> list[tuple[Waiting, Stop]]:
        """Take out the step that this course waits for."""
        found = [one for one in unit.candidates if _belongs(one, course) and not is_answer(one.step)]
        return _taken_out(unit, found, Stop(gate, why))

    def _stop_if(self, unit: UnitState, heard: Heard) -> list[tuple[Waiting, Stop]]:
        """Take out all that waits of plays which this event stops, sent or not."""
        stopped, kept = list[tuple[Waiting, Stop]](), list[Waiting]()
        for waiting in unit.candidates:
            names = (waiting.play, *waiting.others)
            ends = {name: stop for name in names if (stop := self._ending(waiting, name, unit, heard))}
            stopped += [(replace(waiting, play=name, others=()), stop) for name, stop in ends.items()]
            left = [name for name in names if name not in ends]
            # Of several plays, those that are left may still be done.
            kept += [replace(waiting, play=left[0], others=tuple(left[1:])) if ends else waiting] if left else []
        unit.candidates = kept
        return stopped

    def _ending(self, waiting: Waiting, name: str, unit: UnitState, heard: Heard) -> Stop | None:
        """Why this event stops a play that waits, None if it does not."""
        play = self._plays.get(name)
        stop = next((one for one in play.stop_if if name_of(one) in heard.met), None) if play else None
        if play is None or stop is None or waiting.answer is not None or waiting.signal.at > heard.at:
            return None
        person = whose(waiting.signal, recipient_of(waiting.signal, play, unit))
        return Stop("stop_if", spoken_happened(stop)) if not heard.whose or person in ("", heard.whose) else None

    # ---- what can be forgotten

    def tidy(self, unit: UnitState, now: int) -> None:
        """Count what was tried and did not work, and forget what nothing can come of any more."""
        if not unit.courses:
            return
        live = {(one.signal.id, one.play) for one in unit.candidates}
        for course in unit.courses:
            self._count(unit, course, now, is_live=(course.signal_id, course.play) in live)
        kept, seen = [], dict[str, int]()
        for course in sorted(unit.courses, key=lambda one: (one.last_at, one.signal_id, one.play), reverse=True):
            is_open = (course.signal_id, course.play) in live or self._is_open(course, now)
            seen[course.whose] = seen.get(course.whose, 0) + 1
            if not is_open and (seen[course.whose] > MOST_COURSES or course.last_at + self._horizon_ms <= now):
                continue
            if not is_open and seen[course.whose] > MOST_SIGNALS:
                course.signal = None
            kept.append(course)
        unit.courses = kept[::-1]

    def _count(self, unit: UnitState, course: Course, now: int, *, is_live: bool) -> None:
        """Once the goal was reached, or its time has passed, the course is in the tally."""
        play = self._plays.get(course.play)
        goal = play.goal if play else None
        if goal is None or course.counted or all(message.is_shadow for message in course.messages):
            return
        if course.worked_at or (not is_live and course.last_at + goal.within_ms <= now):
            sent, worked = unit.tally.get(course.play, (0, 0))
            unit.tally[course.play] = (sent + 1, worked + bool(course.worked_at))
            course.counted = True

    def _is_open(self, course: Course, now: int) -> bool:
        """May something be written down about it yet?"""
        play = self._plays.get(course.play)
        goal = play.goal if play else None
        waits = any(one.to_staff and not one.is_taken_up for one in course.messages)
        wanted = goal is not None and not course.worked_at and course.last_at + goal.within_ms > now
        return wanted or (waits and course.last_at + self._horizon_ms > now)


def _belongs(waiting: Waiting, course: Course) -> bool:
    return (waiting.signal.id, waiting.play) == (course.signal_id, course.play)


def _taken_out(unit: UnitState, found: Iterable[Waiting], stop: Stop) -> list[tuple[Waiting, Stop]]:
    gone = list(found)
    unit.candidates = [one for one in unit.candidates if not any(one is each for each in gone)]
    return [(one, stop) for one in gone]


def _meant(unit: UnitState, heard: Heard, kind: str) -> tuple[Course, Message] | None:
    """The message that a reaction is about: the one it names, else the latest to that person (or of that play)."""
    known = [(course, message) for course in unit.courses for message in course.messages if not message.is_shadow]
    if heard.action:
        return next((one for one in known if one[1].action == heard.action), None)
    fitting = [one for one in known if one[1].at <= heard.at and _fits(*one, heard, kind)]
    return max(fitting, key=lambda one: (one[1].at, one[1].action), default=None)


def _fits(course: Course, message: Message, heard: Heard, kind: str) -> bool:
    if not course.concerns(heard.whose):
        return False
    if heard.play:
        return course.play == heard.play
    return is_answer(message.step) and message.to_staff if kind == "answered" else not message.to_staff
