"""Puts the parts together: configuration, plugins, plan, sinks. Every shell and command wires through here."""

from __future__ import annotations

import gc
from pathlib import Path

import detectors
import sinks
from engine.core.plan import Plan, compile_plan
from engine.errors import Problem
from engine.model import Json
from engine.ports import Plugins, Sink, SinkContext
from engine.shells.linking import keys_of, linking
from engine.shells.secrets import with_secrets
from engine.spec.load import load, load_all
from engine.spec.schema import detector_schema, play_schema, project_schema
from engine.spec.types import Configuration


def plugins() -> Plugins:
    return detectors.load()


def load_configuration(folder: Path) -> Configuration:
    """The configuration in a folder. Raises SpecError with every problem."""
    return load(folder, plugins(), sinks.options_of, sinks.kinds())


def check_configuration(folder: Path) -> tuple[Configuration | None, list[Problem]]:
    """The configuration, unless it has errors, and every problem, warnings included."""
    return load_all(folder, plugins(), sinks.options_of, sinks.kinds())


def patient_collector() -> None:
    """Have the garbage collector look less often, and never again at what is there already.

    What the engine remembers contains no cycles and lives long. Going through all of it again and again, to find
    nothing, would cost more the more entities there are.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def plan_of(configuration: Configuration) -> Plan:
    return compile_plan(configuration, plugins())


def build_sinks(configuration: Configuration, folder: Path, only_kind: str = "") -> dict[str, Sink]:
    """Every sink of the project by name. With `only_kind` (a dry run) each is replaced by one of that kind.

    Relative paths start at `folder`, those of secrets at the configuration's.

    Raises OperatorError for a secret that cannot be read.
    """
    project = configuration.project
    built: dict[str, Sink] = {}
    for spec in project.sinks:
        kind = only_kind or spec.kind
        module = sinks.load(kind)
        context = SinkContext(name=spec.name, folder=str(folder), project=project.project)
        options = module.Options() if only_kind else with_secrets(spec.options, configuration.folder)
        built[spec.name] = module.Sink(options, context)
    keys = () if only_kind else keys_of(configuration)
    return {name: linking(sink, keys[0]) for name, sink in built.items()} if keys else built


def schemas() -> dict[str, dict[str, Json]]:
    """The JSON Schema of each kind of file a user writes."""
    return {
        "detector": detector_schema(plugins()),
        "play": play_schema(),
        "project": project_schema(sinks.options_of, sinks.kinds()),
    }
