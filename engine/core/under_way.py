"""What a candidate has to know of courses that began before it."""

from __future__ import annotations

from engine.core.happened import person_of, whose
from engine.core.unit_state import Candidate, Waiting, recipient_of
from engine.spec.types import FIRST_STEP


def is_under_way(candidate: Candidate) -> bool:
    """Does a step of an earlier course of the same play wait for the same person?"""
    return any(_is_step_of(waiting, candidate) for waiting in candidate.unit.candidates)


def _is_step_of(waiting: Waiting, candidate: Candidate) -> bool:
    play, unit = candidate.play, candidate.unit
    if waiting.play != play.name or waiting.step == FIRST_STEP or waiting.answer is not None:
        return False
    if play.while_open and waiting.signal.id in unit.resolved:
        return False  # it will be found closed when its time has come
    return whose(waiting.signal, recipient_of(waiting.signal, play, unit)) == person_of(candidate)


def is_in_shadow(candidate: Candidate) -> bool:
    """Was all that the course consists of so far kept back by the holdout?"""
    for course in candidate.unit.courses:
        if (course.signal_id, course.play) == (candidate.signal.id, candidate.play.name):
            return all(message.is_shadow for message in course.messages)
    return False
