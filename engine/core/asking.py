"""Asks of an entity how likely something is, keeps the question open, and says what became of it.

It learns nothing itself: the owner of the model does, from the examples that all entities give. A question is scored
by the snapshot in force, and kept for learning now and then. If the event comes within the horizon the answer is yes,
else it is no. Either is given when the horizon has passed: if every yes were told at once, those who learn would first
hear of nothing else. What is not known at the time of asking is never part of a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.core.digest import digest
from engine.core.examples import Example, Number, Snapshot, Treatment, is_enough, numbers_in, who_of
from engine.core.matching import compile_where
from engine.core.models.classifiers import mark_of
from engine.core.moments import spoken_number
from engine.core.state import Entity, entity_of
from engine.core.treating import Treats
from engine.model import DAY_MS, Event, Scalar
from engine.ports import FieldTest, Known, Learner, Slot

# So many questions of one entity are open at a time, evenly over the horizon.
OPEN_MOST = 4
# Where things lie in the slot. `CHANCES` are by the learners with the marks `TOLD_BY`. `PUSHES` are a mark and then
# hundredths of log odds, for each learner that is acted on; `EVIDENCE` is how many answers and how many yes. `TIMES` is
# how often it has happened.
ASKED, HAPPENED, CHANCES, VERSION, EVIDENCE, VALUES, PUSHES, QUESTIONS, TOLD_BY, TIMES = range(10)
# And in a question.
ASKED_AT, TREATMENT, FEATURES, GIVEN, BY, CAME_AT, GIVEN_BY = range(7)
TOLD, LEAST_PUSH = 3, 10
# What is known of an entity beside its measures: since when it is known, for how long nothing has come of it, and how
# often it has happened to it already, which no window is long enough to tell.
OF_THE_ENTITY = ("days known", "days silent", "times before")


class Asking:
    """The learner of a `chance_of`. Slot: as named above. `model` is the one that it asks, known once it is bound.

    `learner` is the one whose word counts, once there are `needs` answers. Several detectors may ask the same: then one
    of them asks for all that have joined it, all of their `learners`, tells why `speakers` say so, and is content with
    the `least` that any of them needs. With `may_end`, what has happened ends the questions until the entity is heard
    of again; without, it is a thing that comes again and again.
    """

    def __init__(
        self,
        events: tuple[str, ...],
        where: tuple[FieldTest, ...],
        within_ms: int,
        learners: tuple[str, ...],
        learner: str,
        needs: int,
    ) -> None:
        self.events = events
        self.asked = f"chance of {events} {where} within {within_ms}"
        # Who answers is no part of it, so that questions stay open and models go on when learners come and go.
        self.identity = self.asked
        self.within_ms, self.needs, self.least = within_ms, needs, needs
        self.learner, self.learners = learner, learners
        self.speakers: tuple[str, ...] = (learner,)
        self.model = ""
        self.may_end = True
        # The detectors that may change an answer, by their index.
        self.treating: dict[int, Treats] = {}
        self._is_it = compile_where(where)

    def bind(self, kind: str, inputs: str, read: Sequence[str]) -> None:
        """Say whom it asks about, and from what: `inputs` tells the measures apart, `read` are their event types."""
        self.model = digest("model", kind, self.asked, inputs, *OF_THE_ENTITY)
        self.may_end = set(self.events).isdisjoint(read) and "*" not in read

    def join(self, other: Learner) -> None:
        """Ask for another that asks the same."""
        assert isinstance(other, Asking), other.identity
        self.learners = tuple(sorted({*self.learners, *other.learners}))
        self.speakers = tuple(dict.fromkeys((*self.speakers, other.learner)))
        self.least = min(self.least, other.needs)

    def fresh(self) -> Slot:
        return [0, 0, [], 0, [0, 0], [], [], [], [], 0]

    # ---- asking

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        entity = entity_of(known)
        # Windows that slide hold what has come since, while the timer waited for what comes late. That is then part of
        # the question, and must not be of its answer.
        at = max(at, entity.seen_at)
        self._close(slot, at, entity)
        if self._is_over(slot, entity):
            return
        days = [round(max(0, at - since) / DAY_MS, 2) for since in (entity.first_seen, entity.seen_at)]
        numbers = numbers_in([*values, *days, slot[TIMES]])
        snapshot = entity.stalls.models.in_force(self.model, at)
        self._say(slot, numbers, snapshot if snapshot and snapshot.is_enough(self.least) else None)
        if at >= slot[ASKED] + self.within_ms // OPEN_MOST and slot[HAPPENED] <= at:
            slot[ASKED] = at
            given = slot[CHANCES], slot[VERSION], 0, slot[TOLD_BY]
            slot[QUESTIONS].append([at, self._treatment(entity), numbers, *given])

    def _say(self, slot: Slot, numbers: list[Number], snapshot: Snapshot | None) -> None:
        slot[VALUES], slot[CHANCES], slot[PUSHES], slot[VERSION], slot[TOLD_BY] = numbers, [], [], 0, []
        if snapshot is None:
            return
        slot[VERSION], slot[EVIDENCE] = snapshot.version, [snapshot.examples, snapshot.yes]
        chances = snapshot.chances(self.learners, numbers)
        slot[TOLD_BY], slot[CHANCES] = [mark_of(learner) for learner in chances], [*chances.values()]
        slot[PUSHES] = [
            [mark_of(learner), *(round(push * 100) for push in snapshot.pushes(learner, numbers))]
            for learner in self.speakers
            if learner in chances
        ]

    def _is_over(self, slot: Slot, entity: Entity) -> bool:
        return self.may_end and slot[HAPPENED] > 0 and entity.seen_at <= slot[HAPPENED]

    def _treatment(self, entity: Entity) -> Treatment:
        """What is being done about it already; what was done worst for knowing what would have been."""
        found = {treats.under_way(index, entity) for index, treats in self.treating.items()}
        return "treated" if "treated" in found else "held_out" if "held_out" in found else ""

    # ---- answers

    def hear(self, slot: Slot, event: Event, known: Known) -> None:
        """An event came. Where it is what was asked about, it answers the open questions."""
        if self._is_it is not None and not self._is_it(event.attributes):
            return
        entity = entity_of(known)
        for question in slot[QUESTIONS]:
            is_in_time = question[ASKED_AT] < event.at <= question[ASKED_AT] + self.within_ms
            if is_in_time and (not question[CAME_AT] or event.at < question[CAME_AT]):
                question[CAME_AT] = event.at
        slot[HAPPENED] = max(slot[HAPPENED], event.at)
        slot[TIMES] += 1
        if self._is_over(slot, entity):
            slot[CHANCES] = [0.0 for _chance in slot[CHANCES]]

    def _close(self, slot: Slot, now: int, entity: Entity) -> None:
        """Where the horizon has passed, there is an answer, unless the event could not have been seen."""
        while slot[QUESTIONS] and slot[QUESTIONS][0][ASKED_AT] + self.within_ms <= now:
            question = slot[QUESTIONS].pop(0)
            ends = question[ASKED_AT] + self.within_ms
            if question[CAME_AT] or not entity.stalled_ms(self.events, question[ASKED_AT], ends):
                self._answer(question, entity, now)

    def _answer(self, question: Slot, entity: Entity, at: int) -> None:
        entity.stalls.models.examples.append(
            Example(
                model=self.model,
                known_at=at,
                who=who_of(entity.kind, entity.key),
                asked_at=question[ASKED_AT],
                values=tuple(question[FEATURES]),
                came_at=question[CAME_AT],
                treatment=question[TREATMENT],
                chances=tuple(question[GIVEN]),
                version=question[BY],
                told_by=tuple(question[GIVEN_BY]),
            )
        )

    def treat(self, slot: Slot, treatment: Treatment) -> None:
        """Something was done, so the questions without an answer are no longer about what comes by itself."""
        for question in slot[QUESTIONS]:
            if question[TREATMENT] != "treated" and not question[CAME_AT]:
                question[TREATMENT] = treatment

    # ---- what is said

    def value(self, slot: Slot) -> Scalar:
        """The chance, from 0 to 1; None as long as too little is known."""
        mark = mark_of(self.learner)
        answers, yes = slot[EVIDENCE]
        if mark not in slot[TOLD_BY] or not is_enough(answers, yes, self.needs):
            return None
        chance: float = slot[CHANCES][slot[TOLD_BY].index(mark)]
        return chance

    def why(self, slot: Slot, names: Sequence[str]) -> str | None:
        """The measures that moved it most, and from what it was told."""
        pushes = next((each[1:] for each in slot[PUSHES] if each[0] == mark_of(self.learner)), None)
        if pushes is None or self.value(slot) is None:
            return None
        ranked = sorted(enumerate(pushes), key=lambda each: -abs(each[1]))[:TOLD]
        told = [_moved(names[at], slot[VALUES][at], push) for at, push in ranked if abs(push) >= LEAST_PUSH]
        answers, yes = slot[EVIDENCE]
        learned = f"model version {slot[VERSION]}, from {answers:,} answers, {yes:,} of them yes"
        return f"{', '.join(told) or 'nothing out of the ordinary'} ({learned})"

    def version(self, slot: Slot) -> str:
        """Of the snapshot that the chance was told from; "" where there was none."""
        return str(slot[VERSION]) if slot[VERSION] else ""


def _moved(name: str, value: Number, push: int) -> str:
    shown = "not known" if value is None else spoken_number(value)
    return f"{name} {shown} makes it {'likelier' if push > 0 else 'less likely'}"


def treat(slots: Sequence[Slot | None], places: Mapping[int, Asking], treatment: Treatment) -> None:
    """A detector has fired that these ask for: what it does about it is under way."""
    for at, asking in places.items():
        slot = slots[at]
        if slot is not None:
            asking.treat(slot[1], treatment)
