"""On Kafka as on one machine: the same input leads to the same decisions, byte for byte, and to the same memory."""

from __future__ import annotations

import json

import pytest

from engine.model import HOUR_MS
from engine.shells.wiring import load_configuration
from engine.spec.broker import KafkaSpec
from tests.kill.project import START, add_tasks, put_in_order
from tests.worker.conftest import NewWorld
from tests.worker.world import working

pytestmark = pytest.mark.slow


# Seed 1 has events an hour late that only the order of the whole file explains, so its rows stand in one partition.
@pytest.mark.parametrize(("partitions", "workers", "seed"), [(1, 1, 1), (4, 1, 5), (4, 2, 5)])
def test_a_worker_decides_what_a_backtest_decides(
    partitions: int, workers: int, seed: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, partitions=partitions, events=3_000, seed=seed).feed()
    with working(world, workers) as running:
        world.until_done(120, *running)
    world.verify()


def test_a_long_time_in_one_batch_is_no_silence(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """Streams that may stall, and never do: weeks of events come in a few batches."""
    streams = """
  usage: {family: usage, from: "usage*.jsonl", lateness: 5s, stalled_after: 12h, events: [login, login.failed]}
  tickets: {family: ticket, from: tickets.jsonl, lateness: 1m, stalled_after: 2d, events: [ticket.opened]}
"""
    world = new_world(kafka, events=3_000, streams=streams).feed()
    with working(world, 1) as running:
        world.until_done(60, *running)
    world.verify()


RULES = """
limits: [{at_most: 2, over: 1d}, {at_most: 3, over: 7d, channel: log}]
quiet_hours: {from: "20:00", to: "07:30", unknown_zone: [Europe/Rome, America/New_York]}
inhibits: [{firing: break-in, mutes: note}]
holdout: {salt: parity, share: 20%}
"""


@pytest.mark.parametrize(("partitions", "workers"), [(4, 2)])
def test_an_owner_has_room_for_as_much_as_in_a_backtest(
    partitions: int, workers: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, partitions=partitions, events=3_000, seed=5)
    add_tasks(world.folder / "config")
    put_in_order(world.folder / "data")
    world.configuration = load_configuration(world.folder / "config")
    world.feed()
    with working(world, workers) as running:
        world.until_done(120, *running)
    world.verify()
    decided = [(d["play"], d["outcome"], d["gate"]) for d in world.decisions().values()]
    assert {("call", "held", "capacity"), ("call", "chosen", ""), ("file", "chosen", "")} <= set(decided)


def test_a_worker_keeps_the_rules_as_a_backtest_does(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, partitions=4, events=3_000, seed=5)
    project = world.folder / "config" / "beforehand.yml"
    project.write_text(project.read_text() + RULES)
    world.configuration = load_configuration(project.parent)
    world.feed()
    with working(world, 2) as running:
        world.until_done(120, *running)
    world.verify()
    gates = {decision["gate"] for decision in world.decisions().values()}
    assert gates >= {"", "limits", "quiet_hours", "inhibited", "holdout"}


SHAPES = """
languages: [en, it]
teams: {night-desk: {skills: [calls]}}
strategy: {time_sensitive: [sms]}
links: {base: "https://fix.example.com", key: "file:link.key", does: [lock]}
experiments:
  warmer:
    arms:
      as-now: {}
      warm: {plays: {note: {text: {en: "Dear {{ key }}", it: "Caro {{ key }}"}}}}
      none: {plays: {note: nothing}}
  later:
    arms:
      three: {}
      four:
        detectors:
          break-in: {when: {fails: {at_least: 4}}}
          gone-quiet: {when: {absent: {event: login, within: 3d}}}
"""
SHAPED = """
play: warn
urgency: time_sensitive
class: service
owner: fraud-desk
about: incident
acknowledges: {en: "We saw it.", it: "Lo sappiamo."}
next_step: {en: "We keep looking."}
link: {does: lock, expires: 1d}
text: {en: "Was this you? Lock: {{ link }}", it: "Eri tu? Blocca: {{ link }}"}
---
{play: call, to: owner, channel: desk, class: service, owner: a, text: "{{ why }}", assign: {else: {skill: calls}}}
---
{play: note, to: customer, channel: log, class: service, owner: support, text: "{{ why }}"}
"""


def test_a_worker_shapes_messages_and_tries_things_out_as_a_backtest_does(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """Words by language, links, assignees, routing by arm, and thresholds that differ from customer to customer."""
    world = new_world(kafka, partitions=4, events=3_000, seed=5)
    config = world.folder / "config"
    project, detectors = config / "beforehand.yml", config / "detectors" / "all.yml"
    project.write_text(project.read_text() + SHAPES)
    (config / "link.key").write_text("a key that nobody can guess")
    (config / "playbooks" / "all.yml").write_text(SHAPED)
    routed = "then: [{first_of: [{play: call, only_if: {variant: {warmer: warm}}}, {play: note}]}]"
    detectors.write_text(detectors.read_text().replace("then: [{play: note}]", routed))
    world.configuration = load_configuration(config)
    world.feed()
    with working(world, 2) as running:
        world.until_done(120, *running)
    world.verify()
    decisions = world.decisions().values()
    assert {decision["gate"] for decision in decisions} >= {"", "first_of", "experiment", "only_if"}
    arms = {arm for decision in decisions for arm in decision.get("variants", {}).items()}
    assert arms == {("warmer", arm) for arm in ("as-now", "warm", "none")} | {("later", "three"), ("later", "four")}


COURSES = """
limits: [{at_most: 6, over: 1d}]
quiet_hours: {from: "22:00", to: "06:00", unknown_zone: [Europe/Rome]}
holdout: {salt: courses, share: 10%}
reactions: {replied: ticket.opened, opened: login, answered: login.failed, clicked: none.such, remember: 5d}
suppress: {after: 2, of: ignored, within: 2d, for: 12h, ignored_after: 2h}
hand_off: {play: take-over, away: away, business_hours: {from: "09:00", to: "17:00", time_zone: Europe/Rome}}
"""
PLAYS = """
play: warn
channel: sms
class: service
owner: fraud-desk
text: "Was this you? {{ why }}"
unless: {happened: {event: ticket.opened, within: 20m}}
goal: {event: login, within: 3h}
chance: {guess: 30%}
while_open: false
steps:
  - {step: again, after: 40m, channel: log, text: "{{ why }}"}
  - {step: ring, after: 1h, to: owner, channel: desk, tier: 3, text: "Ring {{ customer.id }}"}
---
{play: call, to: owner, channel: desk, class: service, owner: success, title: Call them, text: "{{ why }}"}
---
{play: note, channel: log, class: service, owner: support, text: "{{ why }}", stop_if: login.failed}
---
{play: take-over, to: owner, channel: desk, class: service, owner: support, text: "{{ hand_off.sent }}"}
---
{play: away, channel: log, class: service, owner: support, text: "From {{ hand_off.opens }} on."}
"""


def test_courses_and_hand_offs_go_the_same_way_on_a_worker(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """Reactions reach the unit over Kafka like profiles, whatever its partitions are read by, and when.

    Late rows are put in order first: what they do to an answer that has been given meanwhile depends on how late they
    are, which over several partitions is another thing than in one file.
    """
    world = new_world(kafka, partitions=4, events=3_000, seed=5)
    config = world.folder / "config"
    project = config / "beforehand.yml"
    project.write_text(project.read_text() + COURSES)
    (config / "playbooks" / "all.yml").write_text(PLAYS)
    for path in (world.folder / "data").glob("*.jsonl"):
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        path.write_text("\n".join(sorted(lines, key=lambda line: int(json.loads(line)["at"]))) + "\n")
    world.configuration = load_configuration(config)
    world.feed()
    with working(world, 2) as running:
        world.until_done(120, *running)
    world.verify()
    decisions = world.decisions().values()
    gates = {decision["gate"] for decision in decisions}
    assert gates >= {"", "goal", "replied", "suppressed", "in_course", "hand_off", "unless", "stop_if", "holdout"}
    assert {decision.get("step", "")[:6] for decision in decisions} == {"", "again", "ring", "answer"}


SAYING = """
  usage: {family: usage, from: "usage*.jsonl", lateness: 5s}
  tickets: {family: ticket, from: tickets.jsonl, lateness: 1m, text: {field: body, into: score}}
"""
SAID = (
    "This is terrible, the printer is broken",
    "broken printers, again",
    "Thank you, all is fine",
    "Where is my parcel?",
)
LISTENING = """
---
detector: sour
owner: support
reason: mood
per: customer
watch: {mood: {average: ticket.opened, field: score, over: 2d}}
when: {mood: {below: -0.2}}
then: [{play: note}]
why: "Their mood is {{ mood }}."
---
detector: again
owner: support
reason: again
per: customer
watch: {same: {alike: ticket.opened, field: body, over: 7d}}
when: {same: {at_least: 2}}
then: [{play: call}]
why: "{{ same }} tickets on one thing."
"""


def test_texts_are_scored_and_compared_as_in_a_backtest(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, partitions=4, events=3_000, seed=5, streams=SAYING, detectors=LISTENING)
    # A rule that one late event fulfils says when by what was heard before it, which is up to the order of two files.
    put_in_order(world.folder / "data")
    path = world.folder / "data" / "tickets.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(saying(line) for line in lines))
    world.feed()
    with working(world, 2) as running:
        world.until_done(120, *running)
    world.verify()
    assert {"sour", "again"} <= {decision["detector"] for decision in world.decisions().values()}


def saying(line: str) -> str:
    """The same row with a text; a repeat of a row says the same."""
    fields = json.loads(line)
    return json.dumps(fields | {"body": SAID[sum(fields["id"].encode()) % len(SAID)]}) + "\n"


LIMITS = """
---
detector: more-than-agreed
owner: support
reason: tickets
per: customer
watch:
  fails: {count: login.failed, over: 6h}
  logins: {count: login, over: 6h}
  agreed: {profile: agreed}
when: {fails: {above: agreed}}
resolve_when: {fails: {at_most: logins}}
then: [{play: note}]
why: "{{ fails }} of {{ agreed }}"
"""


def test_what_a_profile_says_is_a_limit_as_in_a_backtest(kafka: KafkaSpec, new_world: NewWorld) -> None:
    streams = """
  usage: {family: usage, from: "usage*.jsonl", lateness: 5s}
  tickets: {family: ticket, from: tickets.jsonl, lateness: 1m}
  people: {family: profile, from: people.jsonl, describes: customer, lateness: 10s}
"""
    world = new_world(kafka, events=600, detectors=LIMITS, streams=streams)
    rows = [
        {"id": f"p{number}", "at": START + number * HOUR_MS, "customer": f"c{number % 60}", "agreed": number % 4}
        for number in range(100)
    ]
    (world.folder / "data" / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    put_in_order(world.folder / "data")
    world.feed()
    with working(world, 1) as running:
        world.until_done(60, *running)
    world.verify()
    assert any(json.loads(line)["detector"] == "more-than-agreed" for line in world.oracle())
