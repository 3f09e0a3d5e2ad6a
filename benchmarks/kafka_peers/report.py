"""From runs to figures, to `results/kafka.json` and to the table in README.md."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ours
from peers import Run, peers

if TYPE_CHECKING:
    from kafka import Bench

BENCHMARKS = Path(__file__).parents[1]
RESULTS = BENCHMARKS / "results" / "kafka.json"
PAGE = BENCHMARKS / "README.md"
BEGIN, END = "<!-- kafka: the table begins -->\n", "<!-- kafka: the table ends -->\n"

# A peer and the figure that holds us against it.
RATIOS = {
    "faust_agent": "ratio_to_faust_agent",
    "quix": "ratio_to_quix",
    "bytewax": "ratio_to_bytewax",
    "confluent": "ratio_to_confluent",
    "confluent_tuned": "ratio_to_confluent_tuned",
    "aiokafka": "ratio_to_aiokafka",
    "kafka_streams": "ratio_to_kafka_streams",
}
ASKED = {
    "ratio_to_faust_agent": "10, better 15",
    "whole_way_ratio_to_faust_agent": "4",
    "ratio_to_quix": "2, better 3",
    "ratio_to_bytewax": "-",
    "ratio_to_confluent": "0.5",
    "ratio_to_confluent_tuned": "-",
    "ratio_to_aiokafka": "-",
    "ratio_to_kafka_streams": "better 1",
    "p99_event_to_action_ms": "under 250",
    "recovery_1m_entities_s": "a 20th of the next",
    "faust_table_recovery_1m_keys_s": "-",
    "two_workers_to_one": "-",
}
TITLES = {**{peer.name: (peer.title, peer.durable) for peer in peers()}, **ours.ROWS}


def results(bench: Bench, more: dict[str, float], date: str, machine: dict[str, str | int]) -> dict[str, Any]:
    """Everything that is kept of a run of the benchmark."""
    middles = {name: run for name in TITLES if (run := bench.middle(name)) is not None}
    return {
        "name": "kafka",
        "date": date,
        "machine": machine,
        "noise": bench.noise.found(),
        "job": {
            "events": bench.count,
            "event_bytes": round(bench.event_bytes),
            "customers": bench.customers,
            "rounds": bench.rounds,
        },
        "rows": {name: row(run, bench.runs[name]) for name, run in middles.items()},
        "not_run": bench.failed,
        "figures": {**ratios(middles), **more},
    }


def row(middle: Run, runs: list[Run]) -> dict[str, float]:
    return {
        "events_per_second": round(middle.per_second),
        "cpu_us_per_event": round(middle.cpu_us, 2),
        "peak_rss_mb": round(middle.peak_rss_mb),
        "events": middle.events,
        "actions": middle.actions,
        "slowest_run": round(min(run.per_second for run in runs)),
        "fastest_run": round(max(run.per_second for run in runs)),
    }


def ratios(middles: dict[str, Run]) -> dict[str, float]:
    """How many times as fast as each peer we are, by the clock on the wall, and by the processor's time."""
    found: dict[str, float] = {}
    for mine, prefix in ((ours.DETECT, ""), (ours.WHOLE_WAY, "whole_way_")):
        for peer, name in RATIOS.items():
            if mine in middles and peer in middles:
                ahead, beside = middles[mine], middles[peer]
                found[prefix + name] = round(ahead.per_second / beside.per_second, 2)
                found[f"cpu_{prefix}{name}"] = round(beside.cpu_us / ahead.cpu_us, 2)
    return found


def write(found: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + page(found) + END + after)


def page(found: dict[str, Any]) -> str:
    """The part of the page that a run writes anew."""
    job, machine = found["job"], found["machine"]
    where = (
        f"Measured on {found['date']} on an {machine['cpu']} with {machine['cores']} cores, which the broker shares; "
        f"Kafka {machine['kafka']}, Java {machine['java']}, {machine['python']}. Each ran {job['rounds']} times; shown "
        f"is the middle run, of two the slower. {sentence_on_noise(found['noise'])}"
    )
    failed = [f"- {TITLES.get(name, (name,))[0]} did not run: {why}\n" for name, why in found["not_run"].items()]
    return "\n".join([table(found), *failed, reached(found["figures"]), wrapped(where)])


def wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def reached(figures: dict[str, float]) -> str:
    """What was asked for beside what was reached, by the clock and by the processor's time."""
    lines = ["| figure | asked for | reached | by processor's time |", "|---|---:|---:|---:|"]
    for name, asked in ASKED.items():
        by_cpu = figures.get(f"cpu_{name}", "-")
        lines.append(f"| `{name}` | {asked} | {figures.get(name, 'not measured')} | {by_cpu} |")
    return "\n".join(lines) + "\n"


def table(found: dict[str, Any]) -> str:
    lines = [
        "| who | what survives it | events/s | slowest to fastest | CPU us/event | peak MB | events | actions |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, told in sorted(found["rows"].items(), key=lambda each: -each[1]["events_per_second"]):
        title, durable = TITLES[name]
        shown = f"**{title}**" if name in ours.ROWS else title
        lines.append(
            f"| {shown} | {durable} | {told['events_per_second']:,} | {told['slowest_run']:,} to "
            f"{told['fastest_run']:,} | {told['cpu_us_per_event']} | {told['peak_rss_mb']} | {told['events']:,} | "
            f"{told['actions']:,} |"
        )
    return "\n".join(lines) + "\n"


def sentence_on_noise(noise: dict[str, float]) -> str:
    return (
        f"The machine: a fixed loop before each of {noise['calibrations']} runs took {noise['loop_ms']} ms; nine of "
        f"ten lay in a span of {noise['spread_percent']} %, the slowest {noise['slowest_percent']} % above it. Just "
        f"before the runs, {noise['others_percent']} % of the processors was in use by others."
    )
