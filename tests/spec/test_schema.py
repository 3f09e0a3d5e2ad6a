"""The schemas for editors accept what loads, refuse what they can see is wrong, and explain every key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

import detectors
import sinks
from engine.model import Json
from engine.spec.detectors import DetectorDocument
from engine.spec.nodes import plain
from engine.spec.peers import BY_PEERS
from engine.spec.plays import PlayDocument
from engine.spec.project import ProjectDocument
from engine.spec.reading import options_of
from engine.spec.report import Report
from engine.spec.schema import detector_schema, play_schema, project_schema
from engine.spec.usual import BY_USUAL
from engine.spec.yaml import read_documents

HERE = Path(__file__).parent
SCHEMAS = {
    "detectors": detector_schema(detectors.load()),
    "playbooks": play_schema(),
    "good": project_schema(sinks.options_of, sinks.kinds()),
}
# What only the loader can know is left to it; these are seen on the page.
SEEN = (
    "detector-unknown-key",
    "detector-unknown-option",
    "detector-missing-option",
    "detector-severity",
    "detector-duration-in-words",
    "detector-period",
    "detector-when-is-a-list",
    "detector-when-unknown-comparator",
    "detector-any-of-one",
    "detector-measure-with-two-words",
    "detector-test-expect-unknown-key",
    "play-missing-keys",
    "play-tier",
    "project-sink-option",
    "project-sink-unknown-kind",
    "project-sink-secret-in-the-file",
    "project-stream-family",
    "project-map-attributes-a-list",
)


def documents(path: Path) -> list[Json]:
    return [plain(node) for node in read_documents(str(path), path.read_bytes(), Report())]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_is_sound_draft_7(schema: dict[str, Json]) -> None:
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("path", sorted((HERE / "good").rglob("*.yml")), ids=lambda path: path.stem)
def test_what_loads_is_valid(path: Path) -> None:
    validator = Draft7Validator(SCHEMAS[path.parent.name])
    assert [error.message for document in documents(path) for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("name", SEEN)
def test_what_can_be_seen_is_refused(name: str) -> None:
    room = {"detector": "detectors", "play": "playbooks", "project": "good"}[name.split("-")[0]]
    validator = Draft7Validator(SCHEMAS[room])
    assert not all(validator.is_valid(document) for document in documents(HERE / f"bad/{name}.yml"))


def undescribed(schema: Json, path: str = "") -> Iterator[str]:
    """Every named property that is not explained, by its path."""
    if isinstance(schema, list):
        for item in schema:
            yield from undescribed(item, path)
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            if isinstance(value, dict) and "description" not in value and "const" not in value:
                yield f"{path}/{name}"
        for name, value in schema.items():
            yield from undescribed(value, f"{path}/{name}")


@pytest.mark.parametrize("kind", [DetectorDocument, PlayDocument, ProjectDocument])
def test_every_key_has_a_sentence(kind: type) -> None:
    assert all(option.doc for option in options_of(kind))


def test_every_property_is_explained_down_to_the_comparators() -> None:
    comparators = {"above", "below", "at_least", "at_most", "is", "is_not", "in_a_row", *BY_USUAL, *BY_PEERS}
    for name, schema in SCHEMAS.items():
        missing = [path for path in undescribed(schema) if path.rsplit("/", 1)[1] not in comparators | {"kind"}]
        assert missing == [], name
