"""What is older than the retention says goes by itself, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.core.route import Row
from engine.model import DAY_MS
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from tests.core.small import partition

AT = 1_772_409_600_000
DETECTOR = """
detector: ordered
owner: a
reason: b
per: customer
watch: {orders: {count: order, over: 1d}}
when: {orders: {at_least: 1}}
then: [{play: call}]
"""
RETENTION = "retention: {decisions: 10d, ledger: 10d, dead_letters: 3d, entities: 5d}\n"


def take(part: Partition, day: int, customer: str) -> None:
    at = AT + day * DAY_MS
    good = orjson.dumps({"id": f"{day}{customer}", "event": "order", "at": at, "customer": customer})
    rows = [Row("usage", "usage.jsonl", day, raw, clock="files") for raw in (good, b"{broken")]
    part.take(rows, {"usage:usage.jsonl": FilePlace(day)}, at)


def test_old_rows_and_silent_entities_go_and_the_others_stay(tmp_path: Path) -> None:
    part = partition(tmp_path, DETECTOR, RETENTION)
    for day, customer in ((0, "old"), (7, "middle"), (12, "new")):
        take(part, day, customer)
    part.take_records(part.router.end(), AT + 12 * DAY_MS)
    gone = part.keep_house(AT + 12 * DAY_MS)
    assert gone == {"signals": 2, "decisions": 1, "dead_letters": 2, "entities": 1}
    assert [decision.key for decision in part.store.decisions()] == ["middle", "new"]
    assert part.entity_counts() == {"customer": 2}
    assert part.store.oldest()["dead_letters"] == AT + 12 * DAY_MS


def test_a_forgotten_entity_begins_anew_whether_or_not_it_was_swept(tmp_path: Path) -> None:
    swept, unswept = [partition(tmp_path / name, DETECTOR, RETENTION) for name in "ab"]
    for part in (swept, unswept):
        take(part, 0, "ada")
        take(part, 6, "someone")
        if part is swept:
            assert part.keep_house(AT + 6 * DAY_MS)["entities"] == 1
        take(part, 8, "ada")
        part.take_records(part.router.end(), AT)
    assert [d.id for d in swept.store.decisions()] == [d.id for d in unswept.store.decisions()]
