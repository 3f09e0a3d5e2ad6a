"""Finds and reads the files of a configuration, and nothing outside its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.spec.nodes import MappingNode, Node
from engine.spec.report import Report
from engine.spec.types import Place
from engine.spec.values import shape
from engine.spec.yaml import MOST_BYTES, read_documents

PROJECT = "beforehand.yml"
DETECTORS = "detectors"
PLAYS = "playbooks"
SNOOZES = "snoozes.yml"
MOST_FILES = 2_000


def project_document(folder: Path, report: Report) -> MappingNode | None:
    """The project file's one document."""
    path = folder / PROJECT
    if not path.exists() and not path.is_symlink():
        report.error(Place(str(path)), "no-project", "there is no project file here - add one, or name another folder")
        return None
    documents = list(_mappings(_documents(folder, path, report), report))
    if len(documents) > 1:
        report.error(documents[1], "two-projects", "a project file holds one document - remove the others")
    if not documents and not any(problem.path == str(path) for problem in report.problems):
        report.error(Place(str(path)), "no-project", "the project file is empty")
    return documents[0] if documents else None


def snooze_documents(folder: Path, report: Report) -> list[MappingNode]:
    """Every document of the file with the snoozes; most projects have none."""
    path = folder / SNOOZES
    there = path.exists() or path.is_symlink()
    return list(_mappings(_documents(folder, path, report), report)) if there else []


def documents_in(folder: Path, room: str, report: Report) -> list[MappingNode]:
    """Every document of every .yml file in a room of the folder, by file name and then as they stand."""
    paths = sorted((folder / room).iterdir()) if (folder / room).is_dir() else []
    for path in paths:
        if path.suffix == ".yaml":
            report.error(Place(str(path)), "file-name", "only files that end in .yml are read - rename it")
    wanted = [path for path in paths if path.suffix == ".yml" and not path.name.startswith(".")]
    if len(wanted) > MOST_FILES:
        report.error(Place(str(folder / room)), "too-many-files", f"{MOST_FILES} files are the most")
    documents = [node for path in wanted[:MOST_FILES] for node in _documents(folder, path, report)]
    return list(_mappings(documents, report))


def _documents(folder: Path, path: Path, report: Report) -> list[Node]:
    place = Place(str(path))
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            report.error(place, "outside", "this leads out of the configuration's folder - put the file itself there")
            return []
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it leads in a circle"
        report.error(place, "unreadable", f"this cannot be read: {reason}")
        return []
    return read_documents(str(path), raw, report)


def _mappings(documents: list[Node], report: Report) -> Iterator[MappingNode]:
    for node in documents:
        if isinstance(node, MappingNode):
            yield node
        else:
            report.error(node, "wrong-type", f"a document is made of keys and values, not of a {shape(node)}")
