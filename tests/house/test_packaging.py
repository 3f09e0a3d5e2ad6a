"""Our top-level names are plain words, so another distribution could ship them too; then imports would depend on where
one stands, and neither pip nor uv would say a word."""

from __future__ import annotations

import importlib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "detectors", "sinks")
FOLDERS = ("config", "tests", "benchmarks")


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_brings_a_package_of_our_name(name: str) -> None:
    owners = set(packages_distributions().get(name, []))
    assert owners <= {"beforehand"}, f"{name!r} is also shipped by {owners}: uninstall it, or imports may find theirs"


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_imported_is_what_stands_in_this_checkout(name: str) -> None:
    found = importlib.import_module(name).__file__
    assert found is not None
    assert Path(found).parent == ROOT / name


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_that_hold_no_package_are_none(name: str) -> None:
    assert not (ROOT / name / "__init__.py").exists()


def test_the_lock_names_versions_and_digests_and_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "--index" not in lock
