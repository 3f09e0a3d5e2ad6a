"""A company's week on disk, with the small flaws that real deliveries have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import orjson

from engine.model import SECOND_MS
from engine.shells.company.book import Row
from engine.shells.company.simulation import Company

# What `write` does to the rows of a whole company. Repeated and late rows change nothing; malformed ones are refused.
REPEATED_LINES = 5
LATE_LINES = 6
MALFORMED_LINES = 3
LATE_BY_MS = 5 * SECOND_MS

MALFORMED = {
    "usage": b'{"id": "usage-cut-off", "event": "usage.login", "at": 17724',
    "tickets": b'{"id": "tickets-no-time", "event": "ticket.opened", "at": "yesterday", "customer": "c001"}',
    "logistics": b"-- connection reset by carrier gateway --",
}


def write(company: Company, folder: Path) -> None:
    """Write one `<stream>.jsonl` per stream into `folder`, in order of arrival. Same company, same bytes.

    The files carry REPEATED_LINES lines twice, LATE_LINES lines up to LATE_BY_MS late, and MALFORMED_LINES broken ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A simulation wants the same numbers for the same seed, not secrecy.
    rng = Random(company.seed)  # noqa: S311
    for stream, rows in company.streams.items():
        arrived = _arrive(rng, rows) if stream == "logistics" else list(rows)
        again = _sent_again(rng, company, stream, arrived)
        lines = [orjson.dumps(row) for row in _repeat(arrived, again)]
        if stream in MALFORMED:
            lines.insert(rng.randrange(len(lines)), MALFORMED[stream])
        folder.joinpath(f"{stream}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def _arrive(rng: Random, rows: Sequence[Row]) -> list[Row]:
    """The rows in order of arrival: a few come late, each behind a row that happened after it."""
    crowded = [
        nth for nth in range(len(rows) - 1) if _at(rows[nth]) < _at(rows[nth + 1]) <= _at(rows[nth]) + LATE_BY_MS
    ]
    # Every other one at most, so that no two chosen rows touch.
    late = rng.sample(crowded[::2], LATE_LINES)
    arrived = list(rows)
    for nth in sorted(late):
        arrived[nth], arrived[nth + 1] = arrived[nth + 1], arrived[nth]
    return arrived


def _sent_again(rng: Random, company: Company, stream: str, rows: Sequence[Row]) -> set[str]:
    planted = {str(row["id"]) for row in rows} & set(company.delivered_twice)
    if stream != "usage":
        return planted
    elsewhere = len(company.delivered_twice)
    return planted | {str(row["id"]) for row in rng.sample(rows, REPEATED_LINES - elsewhere)}


def _repeat(rows: Sequence[Row], again: set[str]) -> list[Row]:
    """The rows, with those in `again` sent twice in a row."""
    return [sent for row in rows for sent in ((row, row) if row["id"] in again else (row,))]


def _at(row: Row) -> int:
    at = row["at"]
    assert isinstance(at, int), row
    return at
