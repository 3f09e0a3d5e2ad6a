"""How fast candidates are decided, and what deciding costs an event that raises nothing.

All rules hold at once: limits, quiet hours, consent, muting, holdout, chance, context, value and lever. Each account
gets the signals of 1, 10 or 50 detectors at the same moment, each with a marketing play of its own, so that all of them
compete and one goes out. What is timed is the decide step alone: from the signals, through gathering, gates and
arbitration, to decisions and actions with their texts.

The second figure: how often the decide step is asked during events of which none raises anything, times what asking it
costs, as a share of what those events cost in all.

    python benchmarks/deciding.py            # about a minute; writes benchmarks/results/deciding.json
    python benchmarks/deciding.py --quick    # a few seconds, writes nothing
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from core import BATCH, DETECTOR, START_MS, machine, raw_events  # the file beside this one

import sinks
from engine.core.chain import Chain
from engine.core.decide import Decide, Units
from engine.core.effects import Effects
from engine.core.express import Express
from engine.core.plan import Plan, compile_plan
from engine.core.progress import FILES
from engine.core.route import Router, Row
from engine.model import Event, Mode, Outcome, Reading, Routed, Severity, Signal
from engine.shells.wiring import patient_collector, plugins
from engine.spec.load import load

RESULTS = Path(__file__).parent / "results" / "deciding.json"
COUNTS = (1, 10, 50)
ROUNDS = 5

PROJECT = """\
project: benchmark
entities: {customer: customer_id, account: account_id}
streams:
  usage: {from: events.jsonl}
  people: {family: profile, from: people.jsonl, describes: customer}
sinks: {log: {kind: file, path: actions.jsonl}}
channels: {email: log, sms: log}
wait: 10m
limits:
  - {at_most: 3, over: 7d}
  - {at_most: 2, over: 7d, class: marketing, channel: email}
  - {at_most: 10, over: 30d, per: account}
quiet_hours: {from: "21:00", to: "08:00", unknown_zone: Europe/Berlin}
consent: {attributes: {email: newsletter}}
inhibits: [{firing: signal-0, mutes: [never], equal: [account]}]
holdout: {salt: bench, share: 5%}
human: {by: reply, say: "Reply to this message to reach a person."}
"""
SIGNAL = """\
---
detector: signal-{n}
owner: bench
reason: benchmark
per: customer
watch: {{seen: {{count: thing-{n}, over: 1h}}}}
when: {{seen: {{at_least: 3}}}}
only_if: {{customer.live: true}}
then: [{{play: play-{n}}}]
why: "{{{{ seen }}}} of them."
"""
PLAY = """\
---
play: {name}
channel: email
class: marketing
owner: bench
value: {value}
chance: {{guess: 10%, worth: 50, sent: 200, worked: 45}}
context: [{{when: {{customer.stage: trial}}, add: 50}}]
lever: 20
unless: {{customer.closed: true}}
expires: 2d
title: "For {{{{ customer.name }}}}"
text: "Hello {{{{ customer.name }}}}, {{{{ why }}}}"
"""


def plan_of(folder: Path, count: int) -> Plan:
    """`count` detectors, each with a play of its own."""
    detectors = "".join(SIGNAL.format(n=n) for n in range(count))
    plays = "".join(PLAY.format(name=name, value=10 + place) for place, name in enumerate(play_names(count)))
    for name, text in (("beforehand.yml", PROJECT), ("playbooks/plays.yml", plays), ("detectors/d.yml", detectors)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return compile_plan(load(folder, plugins(), sinks.options_of, sinks.kinds()), plugins())


def play_names(count: int) -> list[str]:
    return [*(f"play-{n}" for n in range(count)), "never"]


def profiles(accounts: int) -> Iterator[Routed]:
    about = {"name": "Ada", "stage": "trial", "live": True, "newsletter": True, "time_zone": "Europe/Rome"}
    for number in range(accounts):
        entities = {"customer": f"c{number}", "account": f"a{number}"}
        event = Event(f"p{number}", "profile", NOON - 1, "people", entities, dict(about))
        yield Routed("unit", f"account:a{number}", number, event, primary=False)


NOON = START_MS - START_MS % 86_400_000 + 12 * 3_600_000


def signals(accounts: int, count: int) -> Iterator[Signal]:
    """What each detector says of each account, all at noon."""
    for number in range(accounts):
        for n in range(count):
            yield Signal(
                id=f"{number:012x}{n:012x}",
                detector=f"signal-{n}",
                version="1",
                entity="customer",
                key=f"c{number}",
                unit=f"account:a{number}",
                state="firing",
                at=NOON,
                started_at=NOON,
                severity=Severity.WATCH,
                mode=Mode.LIVE,
                reason="benchmark",
                owner="bench",
                readings=(Reading("seen", 3, "at_least", 3),),
                event_ids=("e1", "e2", "e3"),
                related={"account": f"a{number}"},
                attributes={"name": "Ada", "stage": "trial", "live": True, "newsletter": True},
            )


class Deciding:
    """What was decided, and how long it took."""

    def __init__(self, plan: Plan, accounts: int, count: int) -> None:
        effects, given = Effects(), list(signals(accounts, count))
        decide = Decide(plan.configuration, Units(), effects)
        for routed in profiles(accounts):
            decide.on_event(routed)
        gc.collect()
        began = time.process_time()
        for signal in given:
            decide.on_signal(signal)
        decide.on_tick(NOON + 86_400_000)
        self.seconds = time.process_time() - began
        self.decisions = len(effects.decisions)
        self.chosen = len(effects.actions)
        lost = sum(one.outcome is Outcome.DROPPED and one.gate == "arbitration" for one in effects.decisions)
        held_out = sum(one.gate == "holdout" for one in effects.decisions)
        assert self.decisions == accounts * count == lost + held_out + self.chosen


# ---- events that raise nothing


def quiet_plan(folder: Path) -> Plan:
    never = {"hot": "mean: {above: 1000}", "cold": "mean: {below: -1000}", "busy": "readings: {at_least: 20000000}"}
    when = {name: f"{{{each}}}" for name, each in never.items()}
    detectors = "".join(DETECTOR % {"name": n, "when": w, "event": "reading.taken"} for n, w in when.items())
    project = "project: quiet\nentities: {customer: customer_id}\nstreams: {usage: {from: events.jsonl}}\n"
    project += "sinks: {log: {kind: file, path: actions.jsonl}}\nchannels: {console: log}\n"
    play = 'play: tell\nto: system\nchannel: console\nclass: service\nowner: bench\ntext: "Look"\n'
    for name, text in (("beforehand.yml", project), ("playbooks/p.yml", play), ("detectors/d.yml", detectors)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return compile_plan(load(folder, plugins(), sinks.options_of, sinks.kinds()), plugins())


def quiet(plan: Plan, raws: Sequence[bytes]) -> tuple[float, float]:
    """(what the events cost in all, how much of it the decide step is), in seconds."""
    chain, router = Chain(plan), Router(plan.configuration.project, plan.watched)
    express, asked = Express(router, chain), _Asked(chain)
    rows = (Row("usage", "events.jsonl", number, raw, clock=FILES) for number, raw in enumerate(raws))
    gc.collect()
    began = time.process_time()
    while batch := list(islice(rows, BATCH)):
        express.take(batch, [])
        assert not chain.drain().signals, "these events are to raise nothing"
        chain.entities.saved()
    took = time.process_time() - began
    return took, asked.times * asked.cost()


class _Asked:
    """Counts how often a chain asks its decide step whether anything is due, and says what asking costs."""

    def __init__(self, chain: Chain) -> None:
        self.times = 0
        self._ask, self._hand_over = chain.decide.on_tick, chain._hand_over
        chain.decide.on_tick = self._counted  # type: ignore[method-assign]

    def _counted(self, at: int) -> None:
        self.times += 1
        self._ask(at)

    def cost(self) -> float:
        """Seconds for one question, with the handing over of signals, of which there are none."""
        rounds = 200_000
        began = time.process_time()
        for _ in range(rounds):
            self._hand_over()
            self._ask(START_MS)
        return (time.process_time() - began) / rounds


# ---- measuring


class Bench:
    """Runs both parts and collects their figures."""

    def __init__(self, folder: Path, candidates: int, events: int, rounds: int) -> None:
        self.figures: dict[str, float] = {}
        self._folder = folder
        self._candidates, self._events, self._rounds = candidates, events, rounds

    def note(self, name: str, value: float) -> None:
        self.figures[name] = value
        print(f"{name:42} {value:>14,}", flush=True)

    def speed(self) -> None:
        """In turns, so that a busy neighbour disturbs all alike; the median of the rounds."""
        plans = {count: plan_of(self._folder / f"of-{count}", count) for count in COUNTS}
        runs: dict[int, list[Deciding]] = {count: [] for count in COUNTS}
        for _ in range(self._rounds):
            for count, plan in plans.items():
                runs[count].append(Deciding(plan, self._candidates // count, count))
        for count, found in runs.items():
            self.note(
                f"decisions_per_s_{count}", round(statistics.median(one.decisions / one.seconds for one in found))
            )
            self.note(f"chosen_of_100_with_{count}", round(100 * found[0].chosen / found[0].decisions, 1))

    def share(self) -> None:
        plan = quiet_plan(self._folder / "quiet")
        raws = raw_events(self._events, max(1, self._events // 10))
        found = [quiet(plan, raws) for _ in range(self._rounds)]
        took, deciding = (statistics.median(each) for each in zip(*found, strict=True))
        self.note("quiet_us_per_event", round(took / len(raws) * 1e6, 2))
        self.note("deciding_us_per_event", round(deciding / len(raws) * 1e6, 4))
        self.note("share_of_event_cost", round(deciding / took, 4))


def run(*, quick: bool) -> None:
    patient_collector()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), *((1_000, 5_000, 1) if quick else (20_000, 200_000, ROUNDS)))
        bench.speed()
        bench.share()
    if not quick:
        found = {
            "name": "deciding",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": machine(),
            "figures": bench.figures,
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run that only shows that everything works")
    run(quick=parser.parse_args().quick)


if __name__ == "__main__":
    main()
