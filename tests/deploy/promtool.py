"""Prometheus' own checker, which comes with Prometheus. CI has it; elsewhere its tests say that they were skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*arguments: str, folder: Path | None = None, text: str | None = None) -> str:
    """What it says; fails the test where it finds something wrong."""
    path = shutil.which("promtool")
    if path is None:
        missing = "promtool, which comes with Prometheus, is not on this machine"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run([path, *arguments], cwd=folder, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
