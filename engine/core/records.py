"""What is written down of a candidate: its decision, and its action where it was chosen, with their texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.core.course_state import Answer
from engine.core.courses import Result
from engine.core.digest import digest
from engine.core.gates import Stop
from engine.core.handoff import sent_lines
from engine.core.incidents import ALL_CLEAR, place_of, step_of
from engine.core.quiet import zones_heeded
from engine.core.receipts import worth_sending_until
from engine.core.speech import speak
from engine.core.unit_state import Candidate
from engine.model import Action, Decision, Json, Outcome, Signal
from engine.ports import NEVER
from engine.spec.handoff import NAME as HAND_OFF
from engine.spec.text import Text, compile_text
from engine.spec.types import FIRST_STEP, Configuration


class Records:
    """Writes decisions and actions under one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._project = configuration.project
        self._version = configuration.version
        self._plays = configuration.plays
        self._texts: dict[str, Text] = {}

    def chosen(self, candidate: Candidate) -> tuple[Decision, Action]:
        """The decision to do it, and what is to be done."""
        action = self._action(candidate)
        return self._decision(candidate, action, None), action

    def stopped(self, candidate: Candidate, stop: Stop) -> Decision:
        """The decision not to do it, or not yet."""
        return self._decision(candidate, None, stop)

    def _decision(self, candidate: Candidate, action: Action | None, stop: Stop | None) -> Decision:
        signal, play, member = candidate.signal, candidate.play, candidate.signal.member
        return Decision(
            id=decision_id(candidate),
            at=candidate.now,
            unit=signal.unit,
            recipient=candidate.recipient,
            signal_id=signal.id,
            detector=signal.detector,
            entity=signal.entity,
            key=signal.key,
            play=play.name,
            outcome=_outcome(stop),
            gate=stop.gate if stop else "",
            detail=stop.detail if stop else "",
            why=action.why if action else self._why(candidate, self._values(candidate)),
            reason=signal.reason,
            severity=signal.severity,
            action_id=action.id if action else "",
            readings=signal.readings,
            event_ids=signal.event_ids,
            until=stop.until if stop and stop.until < NEVER else 0,
            priority=candidate.priority,
            factors=candidate.factors,
            runner_up=candidate.runner_up,
            variants=candidate.variants,
            step=_later(place_of(candidate)),
            incident=member.incident if member else "",
            versions=self._versions(signal, play.version),
            after=candidate.after,
        )

    def result(self, result: Result) -> Decision:
        """What came of an action, in the log of what was decided."""
        course, message, signal = result.course, result.message, result.course.signal
        assert signal is not None, course.signal_id
        return Decision(
            id=digest(signal.id, course.play, message.recipient, message.action, result.outcome.value),
            at=result.at,
            unit=signal.unit,
            recipient=message.recipient,
            signal_id=signal.id,
            detector=signal.detector,
            entity=signal.entity,
            key=signal.key,
            play=course.play,
            outcome=result.outcome,
            gate=result.gate,
            detail=result.detail,
            why="",
            reason=signal.reason,
            severity=signal.severity,
            action_id=message.action,
            readings=signal.readings,
            event_ids=signal.event_ids,
            step=_later(message.step),
            took_ms=result.took_ms,
            variants=message.variants,
            versions=self._versions(signal, play.version if (play := self._plays.get(course.play)) else ""),
        )

    def _versions(self, signal: Signal, play: str) -> dict[str, str]:
        versions = {"detector": signal.version, "play": play, "configuration": self._version}
        return versions | {f"model of {measure}": version for measure, version in signal.models.items()}

    def _action(self, candidate: Candidate) -> Action:
        signal, play, values = candidate.signal, candidate.play, self._values(candidate)
        why = self._why(candidate, values)
        values["why"] = why
        action_id = digest(signal.id, play.name, candidate.recipient, candidate.channel, place_of(candidate))
        speech = speak(candidate, action_id, values, self._render)
        return Action(
            id=action_id,
            signal_id=signal.id,
            decision_id=decision_id(candidate),
            play=play.name,
            detector=signal.detector,
            channel=candidate.channel,
            unit=signal.unit,
            recipient=candidate.recipient,
            step=place_of(candidate),
            at=candidate.now,
            expires_at=worth_sending_until(candidate),
            tier=play.tier,
            purpose=play.purpose,
            owner=play.owner,
            title=speech.title,
            text=speech.text,
            why=why,
            severity=signal.severity,
            event_ids=signal.event_ids,
            readings=signal.readings,
            about=f"{signal.entity}:{signal.key}",
            context=tuple(self._context(candidate)) if play.to == "owner" else (),
            zones=zones_heeded(candidate),
            language=speech.language,
            human=speech.human,
            resources=play.resources,
            link=speech.link,
            variants=candidate.variants,
        )

    def _context(self, candidate: Candidate) -> Iterator[str]:
        """What a colleague should know beside the text, who may hear of it for the first time."""
        answer = candidate.answer
        sent = answer.sent if answer else sent_lines(candidate.unit, candidate.signal.id)
        yield from (f"sent: {line}" for line in sent)
        if answer and answer.said:
            yield f"{answer.whose} answered: {answer.said}"
        recommended = answer.recommended if answer else self._plays[candidate.play.name].recommend
        if recommended:
            yield f"recommended: {recommended}"
        if answer and answer.opens:
            yield f"the desk is closed until {answer.opens}"

    def _values(self, candidate: Candidate) -> dict[str, Json]:
        """What a text may name: measures, the signal, and every entity it knows with its profile."""
        signal = candidate.signal
        values: dict[str, Json] = {r.measure: _number(r.value) for r in signal.readings}
        values |= {"reason": signal.reason, "owner": signal.owner, "severity": signal.severity.value}
        values |= {"detector": signal.detector, "entity": signal.entity, "key": signal.key, "at": signal.at}
        values |= {"play": candidate.play.name, "title": candidate.play.title, "event_ids": list(signal.event_ids)}
        if signal.member is not None:
            values |= {**signal.member.facts, "members": signal.member.members}
            values |= {"incident": signal.member.incident, "step": place_of(candidate)}
        for kind, key in {**signal.related, signal.entity: signal.key}.items():
            values[kind] = {"id": key, "name": key, **candidate.profile_of(kind)}
        if candidate.answer:
            values[HAND_OFF] = _shown(candidate.answer)
        return values

    def _why(self, candidate: Candidate, values: dict[str, Json]) -> str:
        return self._render(candidate.detector.why, values)

    def _render(self, source: str, values: Mapping[str, Json]) -> str:
        text = self._texts.get(source)
        if text is None:
            text = self._texts[source] = compile_text(source)
        return text.render(values, self._project.bounds.text_chars)[0].strip()


def _outcome(stop: Stop | None) -> Outcome:
    if stop is None:
        return Outcome.CHOSEN
    return Outcome.HELD if stop.until else Outcome.DROPPED


def decision_id(candidate: Candidate) -> str:
    """The same whenever the candidate is decided for the same time: its first, its second."""
    again = [f"step {candidate.step}"] if candidate.step != FIRST_STEP else []
    again += [str(candidate.round)] if candidate.round else []
    if step_of(candidate.signal) == ALL_CLEAR:  # its signal is the one that was told of first
        again.append(ALL_CLEAR)
    return digest(candidate.signal.id, candidate.play.name, candidate.recipient, "decision", *again)


def _later(step: str) -> str:
    """The step, where it is not the first."""
    return "" if step == FIRST_STEP else step


def _shown(answer: Answer) -> dict[str, Json]:
    """What a text may say of somebody's reply."""
    return {
        "customer": answer.whose.partition(":")[2],
        "said": answer.said,
        "sent": list(answer.sent),
        "recommended": answer.recommended,
        "opens": answer.opens,
    }


def _number(value: object) -> Json:
    """Numbers as a person would write them: no more than two decimals."""
    if isinstance(value, float):
        return round(value, 2)
    return value if isinstance(value, str | int | bool) else None
