"""`doctor` and `lag` as they are typed, on a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.spec.types import KafkaSpec

PROJECT = """
project: meadow
entities: {{customer: customer}}
streams: {{app: {{events: [app.opened]}}}}
sinks: {{log: {{kind: stdout}}}}
channels: {{email: log}}
kafka: {{servers: ["{servers}"], prefix: "{prefix}", group: {group}, partitions: 2}}
"""


@pytest.fixture
def config(kafka: KafkaSpec, tmp_path: Path) -> Path:
    text = PROJECT.format(servers='", "'.join(kafka.servers), prefix=kafka.prefix, group=kafka.group)
    (tmp_path / "beforehand.yml").write_text(text)
    return tmp_path


def typed(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli", *words, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_doctor_ends_with_one_until_everything_is_there(config: Path) -> None:
    first = typed(config, "doctor")
    assert first.returncode == 1
    assert "is missing - `beforehand doctor --create` creates it" in first.stdout
    assert first.stdout.endswith("11 errors, 0 warnings\n")
    made = typed(config, "doctor", "--create")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.endswith("0 errors, 0 warnings\n")
    assert typed(config, "doctor").returncode == 0


def test_lag_is_told_to_people_and_programs(config: Path) -> None:
    missing = typed(config, "lag")
    assert missing.returncode == 1
    assert missing.stderr.startswith("beforehand: Topic ")
    assert typed(config, "doctor", "--create").returncode == 0
    lines = typed(config, "lag").stdout.splitlines()
    assert len(lines) == 1 + 4 * 2
    found = json.loads(typed(config, "lag", "--json").stdout)
    assert [each["reader"] for each in found] == ["route"] * 2 + ["detect"] * 2 + ["decide"] * 2 + ["dispatch"] * 2
    assert {each["lag"] for each in found} == {0}


def test_a_broker_that_is_not_there_is_one_line_and_no_trace(tmp_path: Path) -> None:
    (tmp_path / "beforehand.yml").write_text(PROJECT.format(servers="127.0.0.1:1", prefix="t.", group="t"))
    for command in ("doctor", "lag"):
        found = typed(tmp_path, command)
        assert found.returncode == 1
        assert "Kafka cannot be reached: 127.0.0.1:1: nothing listens there" in found.stdout + found.stderr
        assert "Traceback" not in found.stderr
