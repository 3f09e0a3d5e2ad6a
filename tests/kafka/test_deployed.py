"""The commands that stand in docker-compose.yml, run as they stand there against a real Kafka, without a container.

Only what a container would provide is put in: the folders, the address of Kafka, and a port that is free.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from engine.shells.company import simulate
from engine.shells.kafka.cluster import reached
from engine.shells.kafka.topics import topics_of
from engine.shells.starting import SEED
from engine.shells.wiring import load_configuration
from engine.spec.types import KafkaSpec
from tests.deploy.promtool import promtool
from tests.deploy.queries import metrics
from tests.deploy.shipped import commands, compose, instructions
from tests.deploy.test_monitoring import panel_queries
from tests.kafka.broker import free_ports
from tests.kafka.conftest import NewBroker

ROOT = Path(__file__).parents[2]
BEFOREHAND = Path(sys.executable).with_name("beforehand")
PLANTED = {story.detector for story in simulate(SEED).stories}
# Nothing to show here: no sink refuses us, only `run` has tables, what is remembered is counted once a minute, and the
# catalog has no play with a goal, a hand-off or an experiment, and no measure that asks a model.
QUIET = {"Sinks that pause", "Oldest row kept", "Entities remembered", "Size of the state"}
QUIET |= {"Experiments, in an hour", "Time to a person, 90 of 100", "Goals reached in a day"}
QUIET |= {"How well chances rank", "Foreseen", "Lift over the best single measure", "Learned up to", "Off by"}
QUIET |= {"Log loss", "Answers", "Stands still"}
PANELS = {title for title, _ in panel_queries()} - QUIET
STOP_WITHIN_S = 20  # stop_grace_period


class Machine:
    """A folder in which services of the compose file run."""

    def __init__(self, folder: Path, kafka: KafkaSpec) -> None:
        self.folder, self.kafka = folder, kafka
        [self.port] = free_ports(1)
        shutil.copytree(ROOT / "config", folder / "config")
        with (folder / "config" / "beforehand.yml").open("a") as project:
            project.write(f"kafka: {{prefix: {kafka.prefix}, group: {kafka.group}, partitions: 2}}\n")

    def start(self, service: str, **changed: str) -> subprocess.Popen[str]:
        given = {"/etc/beforehand": str(self.folder / "config"), "/var/lib/beforehand": str(self.folder / "state")}
        given |= {"0.0.0.0": "127.0.0.1", "9464": str(self.port)}  # noqa: S104
        words = [(given | changed).get(word, word) for word in commands()[f"compose {service}"]]
        log = (self.folder / f"{service}.log").open("w")
        return subprocess.Popen(
            [str(BEFOREHAND), *words],
            env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": ",".join(self.kafka.servers)},
            cwd=self.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def said(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()

    def page(self, name: str) -> str:
        """What a page says, or "" while it does not answer 200."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/{name}", trust_env=False)
        except httpx.HTTPError:
            return ""
        return answer.text if answer.status_code == 200 else ""

    def samples(self, name: str) -> list[Sample]:
        families = text_string_to_metric_families(self.page("metrics"))
        return [sample for family in families for sample in family.samples if sample.name == name]

    def total(self, name: str) -> float:
        return sum(sample.value for sample in self.samples(name))


@pytest.fixture
def machine(tmp_path: Path, kafka: KafkaSpec) -> Machine:
    return Machine(tmp_path, kafka)


def until(so: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    ends = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < ends, what()
        time.sleep(0.2)


def test_the_composed_services_find_what_was_planted_in_the_simulated_week(machine: Machine) -> None:
    assert machine.start("doctor").wait(60) == 0, machine.said("doctor")
    worker = machine.start("worker")
    try:
        until(lambda: machine.page("readyz"), 60, lambda: machine.said("worker"))
        assert health_check(machine.port) == 0
        assert machine.start("generator", **{"168": "1000000"}).wait(60) == 0, machine.said("generator")
        sent = int(re.findall(r"sent ([\d,]+) rows", machine.said("generator"))[0].replace(",", ""))
        until(lambda: machine.total("beforehand_events_consumed_total") >= sent, 60, lambda: machine.page("metrics"))
        until(lambda: fired(machine) >= PLANTED, 60, lambda: f"missing: {PLANTED - fired(machine)}")
        until(lambda: machine.total("beforehand_actions_total") >= 10, 60, lambda: machine.page("metrics"))
        text = machine.page("metrics")
        assert promtool("check", "metrics", text=text) == ""
        shown = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
        assert shown <= metrics().keys()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_WITHIN_S) == 0, machine.said("worker")
    finally:
        worker.kill()
        worker.wait()
    assert health_check(machine.port) == 1
    assert "Traceback" not in machine.said("worker")


def test_every_panel_has_an_answer_from_a_real_prometheus(machine: Machine) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not on this machine")
    [port] = free_ports(1)
    folder = machine.folder / "prometheus"
    shutil.copytree(ROOT / "deploy" / "prometheus", folder)
    written = (folder / "prometheus.yml").read_text().replace("15s", "1s")
    there = f"    static_configs: [{{targets: ['127.0.0.1:{machine.port}']}}]\n"
    (folder / "prometheus.yml").write_text(written[: written.index("    dns_sd_configs")] + there)
    assert machine.start("doctor").wait(60) == 0, machine.said("doctor")
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    log = (machine.folder / "prometheus.log").open("w")
    running = [machine.start("worker"), subprocess.Popen([prometheus, *options], cwd=folder, stdout=log, stderr=log)]
    try:
        until(lambda: machine.page("readyz"), 60, lambda: machine.said("worker"))
        # About ten seconds, so that there is something to take a rate of.
        assert machine.start("generator", **{"168": "60000"}).wait(120) == 0, machine.said("generator")
        until(lambda: answered(port) >= PANELS, 30, lambda: f"without an answer: {PANELS - answered(port)}")
    finally:
        for each in running:
            each.kill()
            each.wait()


def answered(port: int) -> set[str]:
    """The panels of the dashboard to whose queries Prometheus has something to say."""
    found = set()
    for title, query in panel_queries():
        plain = query.replace("$__rate_interval", "20s").replace("$job", "beforehand").replace("$detector", ".*")
        asked = {"query": plain}
        said = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params=asked, trust_env=False).json()
        assert said["status"] == "success", (title, said)
        if said["data"]["result"]:
            found.add(title)
    return found


def fired(machine: Machine) -> set[str]:
    """Which detectors have fired."""
    return {sample.labels["detector"] for sample in machine.samples("beforehand_signals_fired_total")}


def health_check(port: int) -> int:
    """What Docker would find, by the image's own check."""
    check = dict(instructions())["HEALTHCHECK"].replace("9464", str(port))
    [_python, *rest] = json.loads(check[check.index("[") :])
    return subprocess.run([sys.executable, *rest], capture_output=True, timeout=30).returncode


def kafka_properties(folder: Path, ports: list[int]) -> str:
    """The composed Kafka's settings as its image writes them down, on ports and in a folder that are free here."""
    moved = {
        "9094": str(ports[0]),
        "9092": str(ports[1]),
        "9093": str(ports[2]),
        "/var/lib/kafka/data": f"{folder}/data",
    }
    settings = compose()["services"]["kafka"]["environment"].items()
    names = [(name.removeprefix("KAFKA_").replace("_", ".").lower(), value) for name, value in settings]
    text = "".join(f"{name}={value}\n" for name, value in names)
    for there, here in moved.items():
        text = text.replace(there, here)
    return text


async def test_kafka_starts_with_the_settings_of_the_compose_file(new_broker: NewBroker, tmp_path: Path) -> None:
    ports, folder = free_ports(3), tmp_path / "broker-0"
    folder.mkdir()
    (folder / "server.properties").write_text(kafka_properties(folder, ports))
    new_broker(ports=ports)
    async with reached({"bootstrap_servers": [f"localhost:{ports[0]}"], "security_protocol": "PLAINTEXT"}) as cluster:
        assert await cluster.brokers() == 1
        made = [spec for spec in topics_of(load_configuration(ROOT / "config").project).all() if spec.role == "events"]
        assert await cluster.create(made, 1) == {}
