import subprocess
import sys

import pytest

import sinks


def test_kinds_are_the_files():
    assert {"file", "stdout", "webhook"} <= set(sinks.kinds())


def test_an_unknown_kind_is_a_key_error_that_names_it():
    with pytest.raises(KeyError, match="webhok"):
        sinks.load("webhok")
    assert sinks.options_of("webhok") is None


def test_a_kind_tells_its_options():
    assert sinks.options_of("file") is sinks.load("file").Options


def test_nothing_is_imported_before_it_is_asked_for():
    script = "import sys, sinks; sinks.kinds(); print('httpx' in sys.modules, 'sinks.webhook' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split() == ["False"] * 2
    )


def test_another_distribution_can_add_a_kind(tmp_path, monkeypatch):
    (tmp_path / "pigeon_post.py").write_text("Options = Sink = int\n")
    info = tmp_path / "pigeon-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[beforehand.sinks]\npigeon = pigeon_post\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "pigeon" in sinks.kinds()
    assert sinks.load("pigeon").Sink is int
    sinks.load.cache_clear()
