"""A file of weights is taken as it was written or not at all, and it counts as part of the configuration."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from engine.spec.load import load
from engine.spec.texts import FORMAT, MOST_BYTES, TAKEN_APART, weights_in, written
from engine.spec.types import Configuration
from tests.spec import broken

PROJECT = "project: meadow\nentities: {customer: customer}\nstreams:\n  chats: {text: {field: body%s}}\n"
AGAIN = "make it again with `beforehand models learn-text`"


def project(folder: Path, more: str = "") -> list[str]:
    (folder / "beforehand.yml").write_text(PROJECT % more)
    return broken.said_of(folder)


def configuration(folder: Path) -> Configuration:
    return load(folder, {}, lambda kind: None)


def changed(raw: bytes, **fields: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(raw) | fields)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "moods.json").write_bytes(written({7: 0.25, 3: -1.5}, texts=60))
    found = weights_in(tmp_path, "moods.json")
    assert (found.weights, found.texts) == ({3: -1.5, 7: 0.25}, 60)
    assert project(tmp_path, ", model: moods.json") == []
    (stream,) = configuration(tmp_path).project.streams
    assert stream.text is not None
    assert stream.text.weights == found.weights


def test_the_same_weights_are_the_same_bytes() -> None:
    assert written({1: 0.5, 2: 0.25}, texts=3) == written({2: 0.25, 1: 0.5}, texts=3)


GOOD = written({7: 0.25}, texts=60)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (changed(GOOD, weights={"7": 0.26}), "has been changed or damaged since it was written, by its digest"),
        (changed(GOOD, texts=61), "has been changed or damaged since it was written, by its digest"),
        (changed(GOOD, digest=""), "has been changed or damaged since it was written, by its digest"),
        (changed(GOOD, format=FORMAT + 1), f"has format {FORMAT + 1}, and this version reads {FORMAT}"),
        (changed(GOOD, taken_apart="x"), "was learned by a version that takes texts apart in another way"),
        (written({1 << 16: 0.5}, texts=60), "has weights that no text could reach"),
        (written({7: 1e9}, texts=60), "has weights that no text could reach"),
        (b"\x80\x04\x95", "is no file of weights (JSON is malformed"),
        (GOOD[:50], "is no file of weights (Input data was truncated)"),
        (b"[]", "is no file of weights (Expected `object`, got `array`)"),
        (changed(GOOD, more=1), "is no file of weights (Object contains unknown field `more`)"),
        (b" " * (MOST_BYTES + 1), "is larger than any file of weights"),
    ],
)
def test_another_file_is_an_error_that_says_what_to_do(raw: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "moods.json").write_bytes(raw)
    (said,) = project(tmp_path, ", model: moods.json")
    assert said.startswith("beforehand.yml:4:38: error[bad-model]: 'moods.json' " + told), said
    assert said.endswith(AGAIN)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (tmp_path / "moods.json").write_bytes(GOOD)
    (folder / "moods.json").symlink_to(tmp_path / "moods.json")
    (said,) = project(folder, ", model: moods.json")
    assert "leads out of the configuration's folder" in said


def test_other_weights_are_another_version_of_the_configuration(tmp_path: Path) -> None:
    versions = set()
    for weight in (0.25, 0.5):
        (tmp_path / "moods.json").write_bytes(written({7: weight}, texts=60))
        assert project(tmp_path, ", model: moods.json") == []
        versions.add(configuration(tmp_path).version)
    assert len(versions) == 2


def test_another_library_is_another_version_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = set()
    for version in ("3.3.2", "3.4.0"):
        monkeypatch.setattr("engine.spec.texts.version", lambda name, version=version: version)
        assert project(tmp_path) == []
        versions.add(configuration(tmp_path).version)
    assert len(versions) == 2


def test_without_the_library_and_without_weights_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("engine.spec.texts.version", missing)
    told = "'text' needs a 'model' of your own, or else the extra: pip install \"beforehand[text]\""
    assert project(tmp_path) == [f"beforehand.yml:4:17: error[missing-extra]: {told}"]
    (tmp_path / "moods.json").write_bytes(GOOD)
    assert project(tmp_path, ", model: moods.json") == []


def test_the_mark_of_the_parts_is_in_the_file() -> None:
    assert msgspec.json.decode(GOOD)["taken_apart"] == TAKEN_APART
