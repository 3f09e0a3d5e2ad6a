"""Recorded events in, a report out: who would have been noticed, when, and what would have been done. Nothing is sent.

It drives the same steps as a live run, so what it counts is what a run would have decided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from engine.core.chain import Chain
from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.core.receipts import are_recorded
from engine.core.review import ASKED
from engine.core.route import Router
from engine.model import WEEK_MS, DeadLetter, Decision, Outcome, Signal
from engine.shells.incidents import FanOutReport, fan_out_lines, fan_outs
from engine.shells.sources import read_all, without_files
from engine.shells.times import iso, moment

SHOWN = 8
# Counts that say no more than other lines of the report do: events, and the dead letters by their reason.
SAID_ELSEWHERE = ("accepted", "dead_letter", "late")
# What a count means, for a person.
SPOKEN = {
    "duplicate": "repeats, taken once",
    "weak_id": "without an id, so that repeats cannot be recognised",
    "unwatched": "of types that no detector watches",
    "unaddressed": "without an entity that is watched",
    "unlisted_event": "of types that the stream does not list",
    "unknown_field": "rows with fields that the map does not name",
    "not_present": "rows without any of the events",
    "unmatched": "reactions to no message that is known",
    "members_beyond": "members of a group beyond `at_most_members`",
    "nothing_to_approve": "approvals for which nothing waited",
    "seen_ids_evicted": "ids forgotten early, as there were too many",
}


class DetectorReport(msgspec.Struct, frozen=True, kw_only=True):
    """One detector over the whole span. `named` are its first signals as (ISO time, entity, why)."""

    detector: str
    mode: str
    fired: int
    entities: int
    open_at_end: int
    per_week: float
    chosen: int
    dropped: Mapping[str, int]
    fan_outs: tuple[FanOutReport, ...]
    named: tuple[tuple[str, str, str], ...]


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """`events` by stream, `dead_letters` by stream and reason, `noted` what was counted on the way (duplicates …).

    `first_dead_letters` tells of each kind of dead letter where the first stood and what was wrong. `taken_for_done`
    counts the remedies that were taken to work, as nobody knows.
    """

    began: str
    ended: str
    weeks: float
    events: Mapping[str, int]
    noted: Mapping[str, int]
    dead_letters: Mapping[str, int]
    first_dead_letters: Mapping[str, str]
    detectors: tuple[DetectorReport, ...]
    plays: Mapping[str, int]
    worked: Mapping[str, int]
    reviews: Mapping[str, Mapping[str, int]]
    configuration: str
    streams_without_files: tuple[str, ...]
    taken_for_done: int = 0


class Backtest:
    """One pass over recorded events under a plan. `signals` and `decisions` hold everything afterwards."""

    def __init__(self, plan: Plan, data: Path) -> None:
        self._plan = plan
        self._data = data
        self._project = plan.configuration.project
        self._chain = Chain(plan, is_trial=True)
        self._router = Router(self._project, plan.watched)
        self._letters: Counter[str] = Counter()
        self._first_letters: dict[str, str] = {}
        self._noted: Counter[str] = Counter()
        self._reviews: Counter[tuple[str, str]] = Counter()
        self.signals: list[Signal] = []
        self.decisions: list[Decision] = []
        self._decided: set[str] = set()
        self._began = 0

    def run(self, until: int | None = None) -> BacktestReport:
        """Read everything; with `until`, let time go on to there. Raises OperatorError without input."""
        chain, router = self._chain, self._router
        rows, most = read_all(self._project, self._data, router), self._project.bounds.events_per_batch
        # Row by row until time has begun, so that its beginning is known exactly.
        while batch := list(islice(rows, most if self._began else 1)):
            letters: list[DeadLetter] = []
            chain.take_all(router.route_all(batch, letters))
            self._count_letters(letters)
            self._collect(chain.drain())
            self._began = self._began or chain.now
        chain.take_all(router.end(until))
        self._collect(chain.drain())
        return self._report()

    def _collect(self, effects: Effects) -> None:
        self.signals += effects.signals
        for decision in effects.decisions:
            # The first record of a decision stays, as in the store: the same id always stands for the same decision.
            if decision.id not in self._decided:
                self._decided.add(decision.id)
                self.decisions.append(decision)
        self._count_letters(effects.dead_letters)
        self._reviews += effects.reviews
        for (what, stream), count in effects.counts.items():
            self._noted[f"{stream} {what}"] += count

    def _count_letters(self, letters: Iterable[DeadLetter]) -> None:
        for letter in letters:
            name = f"{letter.stream} {letter.reason}"
            self._letters[name] += 1
            self._first_letters.setdefault(name, f"{letter.source} at byte {letter.position}: {letter.detail}")

    def _report(self) -> BacktestReport:
        counts = self._router.drain_counts()
        for (what, stream), count in counts.items():
            self._noted[f"{stream} {what}"] += count
        weeks = max(self._chain.now - self._began, 1) / WEEK_MS
        events = {s.name: counts.get(("accepted", s.name), 0) for s in self._project.streams}
        chosen = [d.play for d in self.decisions if d.outcome is Outcome.CHOSEN]
        worked = [d.play for d in self.decisions if d.outcome is Outcome.WORKED and d.action_id]
        return BacktestReport(
            began=iso(self._began),
            ended=iso(self._chain.now),
            weeks=round(weeks, 2),
            events=events,
            noted={name: n for name, n in sorted(self._noted.items()) if name.split()[-1] not in SAID_ELSEWHERE},
            dead_letters=dict(sorted(self._letters.items())),
            first_dead_letters=self._first_letters,
            detectors=tuple(self._detectors(weeks)),
            plays=dict(sorted(Counter(chosen).items())),
            worked=dict(sorted(Counter(worked).items())),
            reviews=by_play(self._reviews),
            configuration=self._plan.configuration.version,
            streams_without_files=tuple(without_files(self._project, self._data)),
            taken_for_done=self._taken_for_done(chosen),
        )

    def _taken_for_done(self, chosen: Iterable[str]) -> int:
        plays = self._plan.configuration.plays
        are_known = are_recorded(self._plan.configuration)
        return 0 if are_known else sum(plays[name].remedy is not None for name in chosen)

    def _detectors(self, weeks: float) -> Iterable[DetectorReport]:
        fired, closed, decided = defaultdict(list), defaultdict(set), defaultdict(list)
        passed_on = defaultdict(list)
        for signal in self.signals:
            if signal.member is not None:
                passed_on[signal.detector].append(signal)
            elif signal.state == "firing":
                fired[signal.detector].append(signal)
            else:
                closed[signal.detector].add(signal.id)
        for decision in self.decisions:
            decided[decision.detector].append(decision)
        for spec in self._plan.configuration.detectors:
            opened, decisions = fired[spec.name], decided[spec.name]
            why = {decision.signal_id: decision.why for decision in decisions if decision.why}
            dropped = Counter(d.gate for d in decisions if d.outcome in (Outcome.HELD, Outcome.DROPPED))
            yield DetectorReport(
                detector=spec.name,
                mode=spec.mode.value,
                fired=len(opened),
                entities=len({signal.key for signal in opened}),
                open_at_end=len({signal.id for signal in opened} - closed[spec.name]),
                per_week=round(len(opened) / weeks, 2),
                chosen=sum(d.outcome is Outcome.CHOSEN for d in decisions),
                dropped=dict(sorted(dropped.items())),
                fan_outs=fan_outs(passed_on[spec.name]),
                named=tuple((iso(s.at), s.key, why.get(s.id, "")) for s in opened[:SHOWN]),
            )


def decision_lines(decisions: Iterable[Decision]) -> list[bytes]:
    """The decision log: one JSON line each in order of (at, id), the same bytes wherever it was decided."""
    ordered = sorted(decisions, key=lambda decision: (decision.at, decision.id))
    return [msgspec.json.encode(decision, order="sorted") for decision in ordered]


def as_text(report: BacktestReport, names: int = SHOWN) -> str:
    """The report for a person."""
    lines = [f"{moment(report.began)} to {moment(report.ended)} ({report.weeks:g} weeks)", ""]
    lines += [f"  {count:>9,} events from {stream}" for stream, count in report.events.items() if count]
    lines += [f"  {name}: no file found" for name in report.streams_without_files]
    for name, count in report.dead_letters.items():
        lines += [f"  {count:>9,} set aside: {name}", f"            {report.first_dead_letters[name]}"]
    lines += [f"  {count:>9,} {_spoken(name)}" for name, count in report.noted.items()]
    for detector in report.detectors:
        lines += ["", *_detector_lines(detector, names)]
    if report.taken_for_done:
        lines += ["", f"{report.taken_for_done:,} x a remedy was taken to have worked, as nothing was sent"]
    lines += ["", "Nothing was sent. What would have been done:"]
    lines += [f"  {count:>9,} x {play}{_worked(report, play)}" for play, count in report.plays.items()] or ["  nothing"]
    lines += ["", *review_lines(report.reviews)] if report.reviews else []
    return "\n".join(lines)


def _worked(report: BacktestReport, play: str) -> str:
    return f", goal reached {report.worked[play]:,} x" if play in report.worked else ""


def by_play(reviews: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Play -> `asked` and each verdict -> how many."""
    found: dict[str, dict[str, int]] = {}
    for (play, what), count in sorted(reviews.items()):
        found.setdefault(play, {})[what] = count
    return found


def review_lines(reviews: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    """`review of offer: 12 decisions to look at; 3 good, 1 bad`, for each play."""
    for play, counts in reviews.items():
        asked = counts.get(ASKED, 0)
        verdicts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if what != ASKED)
        to_look_at = f"{asked:,} decision{'' if asked == 1 else 's'} to look at" if asked else ""
        yield f"review of {play}: {'; '.join(part for part in (to_look_at, verdicts) if part)}"


def _spoken(noted: str) -> str:
    stream, _, what = noted.rpartition(" ")
    return f"from {stream}: {SPOKEN.get(what, what)}"


def _detector_lines(report: DetectorReport, names: int) -> Iterable[str]:
    mode = "" if report.mode == "live" else f" [{report.mode}]"
    if not report.fired:
        yield f"{report.detector}{mode}: never fired"
        return
    times = "once" if report.fired == 1 else f"{report.fired:,} times for {report.entities:,}"
    still = f", {report.open_at_end:,} still open at the end" if report.open_at_end else ""
    yield f"{report.detector}{mode}: fired {times} ({report.per_week:g} a week){still}"
    if report.dropped:
        yield "  held back: " + ", ".join(f"{count} at {gate}" for gate, count in report.dropped.items())
    yield from fan_out_lines(report.fan_outs)
    for at, key, why in report.named[:names]:
        yield f"  {moment(at)}  {key}  {why}".rstrip()
    if report.fired > names:
        yield f"  ... and {report.fired - min(names, len(report.named)):,} more"
