"""Who runs beside us, and how: each peer is a process of its own that tells its figures in one line of JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MADE = HERE.parents[1] / ".make"
PYTHON = MADE / "bench" / "bin" / "python"
JAVA = MADE / "bench-java"
TIMEOUT_S = 300
FIGURES = '{"events"'


@dataclass(frozen=True)
class Peer:
    """`share` is the part of the events it is given: slow ones run a prefix. `command` comes before the arguments."""

    name: str
    title: str
    durable: str
    command: Sequence[str]
    share: float = 1.0
    more: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """What one run of one peer came to."""

    events: int
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    actions: int

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6


class PeerFailed(Exception):
    """It did not come to its end, or it cannot be had on this machine."""


def python(name: str) -> tuple[str, str]:
    return str(PYTHON), str(HERE / f"{name}.py")


def peers() -> tuple[Peer, ...]:
    java = ("java", "-Xmx1g", "-cp", f"{JAVA}/classes:{JAVA}/jars/*", "StreamsPeer")
    return (
        Peer("faust_agent", "Faust, plain agent", "nothing", python("faust_agent"), 0.1),
        Peer("faust_take", "Faust, `take(1000)`", "nothing", python("faust_take"), 0.1),
        Peer("faust_table", "Faust, Table", "changelog, not awaited", python("faust_table"), 0.02),
        Peer("quix", "Quix Streams, stateful function", "RocksDB and changelog each 5 s", python("quix_state"), 0.2),
        Peer(
            "quix_tumbling",
            "Quix Streams, tumbling window",
            "RocksDB and changelog each 5 s",
            python("quix_window"),
            0.1,
        ),
        Peer(
            "quix_hopping",
            "Quix Streams, hopping window",
            "RocksDB and changelog each 5 s",
            python("quix_window"),
            0.05,
            ("hopping",),
        ),
        Peer("bytewax", "Bytewax, `stateful_flat_map`", "nothing", python("bytewax_flow")),
        Peer("aiokafka", "aiokafka, `getmany` loop", "nothing", python("aiokafka_loop")),
        Peer("confluent", "confluent-kafka, `consume` loop", "nothing", python("confluent_loop")),
        Peer(
            "confluent_tuned",
            "confluent-kafka, fetching on after 10 ms",
            "nothing",
            python("confluent_loop"),
            1.0,
            ("tuned",),
        ),
        Peer("kafka_streams", "Kafka Streams, one thread", "RocksDB and changelog each 30 s", java),
    )


FAUST_RECOVERY = Peer("faust_recovery", "Faust, Table, reading its changelog", "changelog", python("faust_recovery"))


def run(peer: Peer, servers: str, topic: str, out: str, events: int, group: str = "") -> Run:
    """Raises PeerFailed, with the last line it wrote."""
    group = group or f"{peer.name}-{uuid.uuid4().hex[:8]}"
    command = [*peer.command, servers, topic, out, group, str(events), *peer.more]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as late:
        raise PeerFailed(f"not done within {TIMEOUT_S} s") from late
    except FileNotFoundError as missing:
        raise PeerFailed(f"{missing.filename} is not there") from missing
    # Faust hides the cursor, for a progress bar, in front of what is written.
    told = [line[line.index(FIGURES) :] for line in found.stdout.splitlines() if FIGURES in line]
    if not told:
        wrote = [line for line in (found.stderr or found.stdout).splitlines() if line.strip()]
        raise PeerFailed(wrote[-1][:200] if wrote else f"it ended with {found.returncode} and said nothing")
    return Run(**json.loads(told[-1]))


def build_streams() -> None:
    """Fetch the libraries of the Kafka Streams peer with Maven, and compile it. Done once.

    Raises PeerFailed where there is no Java or Maven, or they cannot do it.
    """
    source = HERE / "streams" / "StreamsPeer.java"
    made = JAVA / "classes" / "StreamsPeer.class"
    if made.exists() and made.stat().st_mtime >= source.stat().st_mtime:
        return
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            raise PeerFailed(f"{tool} is not installed")
    copy = ["mvn", "-q", "-B", "-f", str(HERE / "streams" / "pom.xml"), "dependency:copy-dependencies"]
    done([*copy, f"-DoutputDirectory={JAVA / 'jars'}"])
    done(["javac", "-cp", f"{JAVA}/jars/*", "-d", str(JAVA / "classes"), str(source)])


def done(command: list[str]) -> None:
    found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if found.returncode:
        raise PeerFailed(f"{command[0]}: {(found.stderr or found.stdout).strip().splitlines()[:1]}")
