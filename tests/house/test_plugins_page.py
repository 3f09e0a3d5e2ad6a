"""The plugins of docs/plugins.md, installed as a distribution of their own, do what the page says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

import detectors
import sinks
from engine.model import Action, Severity
from engine.ports import Delivered, SinkContext
from engine.shells.trials import run_tests
from engine.shells.wiring import check_configuration

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
PLUGINS = dict(re.findall(r"`\w+/(\w+)\.py`:\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROJECT = """
project: meadow
entities: {customer: customer}
sinks: {calls: {kind: sheet, path: calls.csv}}
channels: {desk: calls}
human: {by: reply, say: Reply to this message to reach a person.}
"""
PLAY = 'play: apologise\nchannel: desk\nclass: service\nowner: care\ntext: "{{ why }}"\n'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files in a package, with the entry points that the page shows."""
    assert set(PLUGINS) == {"streak", "record", "sheet"}
    package, info = tmp_path / "our_plugins", tmp_path / "our_plugins-1.dist-info"
    package.mkdir()
    info.mkdir()
    for name, source in {**PLUGINS, "__init__": ""}.items():
        (package / f"{name}.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-plugins\nVersion: 1\n")
    (toml,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    groups = tomllib.loads(toml)["project"]["entry-points"].items()
    points = [f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in named.items()) for group, named in groups]
    (info / "entry_points.txt").write_text("".join(points))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sinks.load.cache_clear()


def write(folder: Path, detector: str) -> Path:
    for name, text in {"beforehand.yml": PROJECT, "detectors/one.yml": detector, "playbooks/one.yml": PLAY}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("written", YAML, ids=["condition", "measure"])
def test_a_detector_does_what_its_tests_say(written: str, installed: Path) -> None:
    configuration, problems = check_configuration(write(installed / "config", written))
    assert not problems
    assert configuration is not None
    trials = run_tests(configuration, detectors.load())
    assert [trial.failures for trial in trials] == [(), ()]


def test_what_it_finds_wrong_is_told_at_its_place(installed: Path) -> None:
    _none, problems = check_configuration(write(installed / "config", YAML[0].replace("times: 3}}", "times: 1}}")))
    (problem,) = problems
    assert (problem.line, problem.code) == (5, "bad-streak")


async def test_the_sink_delivers(installed: Path) -> None:
    module = sinks.load("sheet")
    assert isinstance(module, ModuleType)
    context = SinkContext(name="calls", folder=str(installed), project="meadow")
    sink = module.Sink(msgspec.convert({"path": "calls.csv"}, module.Options), context)
    await sink.open()
    assert await sink.send(action()) == Delivered()
    await sink.close()
    assert (installed / "calls.csv").read_text().splitlines() == ["a1,customer:c7,Sorry,It was late."]


def action() -> Action:
    return Action(
        id="a1",
        signal_id="s1",
        decision_id="d1",
        play="apologise",
        detector="late-again",
        channel="desk",
        unit="customer:c7",
        recipient="customer:c7",
        step="first",
        at=0,
        expires_at=0,
        tier=2,
        purpose="service",
        owner="care",
        title="Sorry",
        text="It was late.",
        why="",
        severity=Severity.WATCH,
    )
