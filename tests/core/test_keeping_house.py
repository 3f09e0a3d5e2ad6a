"""What is older than the retention says goes by itself, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.core.route import Row
from engine.model import DAY_MS
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from engine.shells.store import Store
from engine.shells.wiring import load_configuration, plan_of

AT = 1_772_409_600_000
PROJECT = """
project: house
entities: {customer: customer}
streams: {usage: {from: usage.jsonl, events: [order]}}
sinks: {console: {kind: stdout}}
channels: {desk: console}
retention: {decisions: 10d, ledger: 10d, dead_letters: 3d, entities: 5d}
"""
DETECTOR = """
detector: ordered
owner: a
reason: b
per: customer
watch: {orders: {count: order, over: 1d}}
when: {orders: {at_least: 1}}
then: [{play: call}]
"""
PLAY = "{play: call, to: owner, channel: desk, class: service, tier: 3, owner: a, title: t, text: t}"


def partition(tmp_path: Path) -> Partition:
    config = tmp_path / "config"
    for name, text in (("beforehand", PROJECT), ("detectors/d", DETECTOR), ("playbooks/p", PLAY)):
        path = config / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Partition(Store(tmp_path / "state"), plan_of(load_configuration(config)))


def take(part: Partition, day: int, customer: str) -> None:
    at = AT + day * DAY_MS
    good = orjson.dumps({"id": f"{day}{customer}", "event": "order", "at": at, "customer": customer})
    rows = [Row("usage", "usage.jsonl", day, raw, clock="files") for raw in (good, b"{broken")]
    part.take(rows, {"usage:usage.jsonl": FilePlace(day)}, at)


def test_old_rows_and_silent_entities_go_and_the_others_stay(tmp_path: Path) -> None:
    part = partition(tmp_path)
    for day, customer in ((0, "old"), (7, "middle"), (12, "new")):
        take(part, day, customer)
    part.take_records(part.router.end(), AT + 12 * DAY_MS)
    gone = part.keep_house(AT + 12 * DAY_MS)
    assert gone == {"signals": 2, "decisions": 1, "dead_letters": 2, "entities": 1}
    assert [decision.key for decision in part.store.decisions()] == ["middle", "new"]
    assert part.entity_counts() == {"customer": 2}
    assert part.store.oldest()["dead_letters"] == AT + 12 * DAY_MS


def test_a_forgotten_entity_begins_anew_whether_or_not_it_was_swept(tmp_path: Path) -> None:
    swept, unswept = partition(tmp_path / "a"), partition(tmp_path / "b")
    for part in (swept, unswept):
        take(part, 0, "ada")
        take(part, 6, "someone")
        if part is swept:
            assert part.keep_house(AT + 6 * DAY_MS)["entities"] == 1
        take(part, 8, "ada")
        part.take_records(part.router.end(), AT)
    assert [d.id for d in swept.store.decisions()] == [d.id for d in unswept.store.decisions()]
