"""How good the models are, on public logs that nobody here wrote, each beside the trivial rule. See README.md here.

Run it with `make bench-quality` or `python benchmarks/quality/run.py`. The logs are looked for in the folder that
`--data` or BEFOREHAND_REAL_DATA names; they are not part of the project.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "quality.json"
# One module each in this folder, with `measure(data, note)`, and the folder of the logs that it reads.
PARTS = {
    "anomaly": "nab",
    "churn": "cdnow",
    "kept": "cdnow",
    "rivers": "cdnow",
    "churn_words": "cdnow",
    "music_words": "sparkify_log_2018_11",
    "sentiment": "airline_tweets",
    "issues": "airline_tweets",
    "texts": "airline_tweets",
    "orders": "olist_sample",
    "orders_words": "olist_sample",
    "cases": "tickets_bpi13_helpdesk",
    "forecast": "tickets_bpi13_helpdesk",
    "drift": ".",
    "mood": "airline_tweets",
    "cost": ".",
}


def machine() -> dict[str, str | int]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line for line in lines if line.startswith("model name")), ":")
    return {
        "cpu": model.partition(":")[2].strip(),
        "cores": os.cpu_count() or 0,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def run(data: Path, parts: Sequence[str]) -> dict[str, float]:
    figures: dict[str, float] = {}

    def note(name: str, value: float) -> None:
        figures[name] = value
        print(f"{name:48} {value:>12,}", flush=True)

    for part in parts:
        began = time.perf_counter()
        measure: Callable[[Path, Callable[[str, float], None]], None] = importlib.import_module(part).measure
        measure(data / PARTS[part], note)
        print(f"-- {part}: {time.perf_counter() - began:.0f} s", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("BEFOREHAND_REAL_DATA"), help="folder of the logs")
    parser.add_argument("parts", nargs="*", help=f"parts to run: {' '.join(PARTS)} (nothing is recorded then)")
    given = parser.parse_args()
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]} - choose from {', '.join(PARTS)}")
    if given.data is None:
        parser.error("name the folder of the logs with --data or BEFOREHAND_REAL_DATA")
    missing = [folder for folder in PARTS.values() if not (Path(given.data) / folder).is_dir()]
    if missing:
        parser.error(f"{given.data} has no folder {missing[0]}")
    figures = run(Path(given.data), given.parts or list(PARTS))
    if not given.parts:
        date = f"{datetime.now(UTC):%Y-%m-%d}"
        found = {"name": "quality", "date": date, "machine": machine(), "figures": figures}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
