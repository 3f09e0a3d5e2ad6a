"""The commands that stand in what is deployed, as lists of words, by where they stand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
UNIT = ROOT / "deploy" / "systemd" / "beforehand.service"
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yml"))
IMAGE = "beforehand:0.1.0"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return found


def objects() -> Iterator[dict[str, Any]]:
    """Every Kubernetes object."""
    for path in MANIFESTS:
        yield from YAML(typ="safe").load_all(path)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each workload starts: its name and the pod's specification."""
    for each in objects():
        if "template" in each.get("spec", {}):
            yield f"{each['kind']} {each['metadata']['name']}", each["spec"]["template"]["spec"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (word, the rest), with continued lines put together and comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line]


def unit() -> dict[str, list[str]]:
    """Every setting of the systemd unit, with all its values."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def commands() -> dict[str, list[str]]:
    """Without the program's own name."""
    found = {"Dockerfile": json.loads(dict(instructions())["CMD"])}
    for name, service in compose()["services"].items():
        if service["image"] == IMAGE:
            found[f"compose {name}"] = [str(word) for word in service["command"]]
    for name, pod in pods():
        found[name] = pod["containers"][0]["args"]
    program, *words = shlex.split(unit()["ExecStart"][0])
    assert Path(program).name == "beforehand"
    found["systemd"] = words
    return found
