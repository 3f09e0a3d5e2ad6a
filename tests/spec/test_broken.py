"""Each file in bad/ is broken in one way and begins with what has to be said of it, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

import detectors
import sinks
from engine.errors import SpecError
from engine.spec.load import load
from tests.spec import broken

BAD = sorted((Path(__file__).parent / "bad").glob("*.yml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_broken_file_is_told_word_for_word(path: Path, tmp_path: Path) -> None:
    broken.write(tmp_path, path.name.split("-")[0], path.read_bytes())
    expected = [line.removeprefix(broken.EXPECT) for line in path.read_text().splitlines() if broken.EXPECT in line]
    assert broken.said_of(tmp_path) == expected


def test_the_sound_configuration_around_them_is_sound(tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", broken.DETECTOR.encode())
    assert broken.said_of(tmp_path) == []


def test_all_problems_of_all_files_are_raised_at_once(tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", b"detector: a\n---\ndetector: b\n")
    (tmp_path / "playbooks/bad.yml").write_text("play: x\n")
    (tmp_path / "beforehand.yml").write_text("project: x\ntime_zone: Nowhere\n")
    with pytest.raises(SpecError) as raised:
        load(tmp_path, detectors.load(), sinks.options_of, sinks.kinds())
    assert {Path(problem.path).name for problem in raised.value.problems} == {"bad.yml", "beforehand.yml"}
    assert len(raised.value.problems) > 10


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"owner: caf\xe9\n", "1:11: error[encoding]: this is not UTF-8 text - save the file as UTF-8"),
        (b"why: a\x01b\n", "1:7: error[yaml]: a character that no text needs"),
        (b"# " + b"x" * 1_048_576, "error[too-large]: the file is over 1 MiB - split it"),
        (
            b"a: [" + b"1," * 10_001 + b"]",
            "1:19999: error[too-many-nodes]: over 10000 values in one file - split it",
        ),
        (b"a: " + b"[" * 21 + b"]" * 21, "1:24: error[too-deep]: nested more than 20 levels deep"),
        (b"[" * 100_000, "1:22: error[too-deep]: nested more than 20 levels deep"),
        (
            b"a: &a [x]\nb: &b [*a, *a]\n",
            "1:4: error[alias]: anchors (&) and aliases (*) are not read here - write it out",
        ),
    ],
    ids=["encoding", "control character", "bytes", "nodes", "depth", "endless depth", "alias bomb"],
)
def test_a_file_out_of_bounds_is_refused_where_that_shows(raw: bytes, said: str, tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", raw)
    assert broken.said_of(tmp_path) == [f"detectors/bad.yml:{'' if said[0].isdigit() else ' '}{said}"]


def test_the_documents_before_a_fault_are_read_too(tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", b"detector: a\n---\nb: [\n")
    assert [line.split(" ")[1] for line in broken.said_of(tmp_path)][-1] == "error[yaml]:"
    assert any("missing key 'owner'" in line for line in broken.said_of(tmp_path))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", b"\xef\xbb\xbf" + broken.DETECTOR.encode())
    assert broken.said_of(tmp_path) == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.yml"
    outside.write_text("token: hunter2\n")
    folder = tmp_path / "config"
    broken.write(folder, "detector", broken.DETECTOR.encode())
    (folder / "detectors/link.yml").symlink_to(outside)
    message = "this leads out of the configuration's folder - put the file itself there"
    assert broken.said_of(folder) == [f"detectors/link.yml: error[outside]: {message}"]


def test_a_linked_room_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/play.yml").write_text(broken.PLAY)
    folder = tmp_path / "config"
    broken.write(folder, "project", broken.PROJECT.encode())
    (folder / "playbooks").symlink_to(tmp_path / "elsewhere")
    assert [line.split(" ")[1] for line in broken.said_of(folder)] == ["error[outside]:"]


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    broken.write(tmp_path, "detector", broken.DETECTOR.encode())
    (tmp_path / "detectors/bad.yml").rename(tmp_path / "real")
    (tmp_path / "detectors/bad.yml").symlink_to(tmp_path / "real")
    assert broken.said_of(tmp_path) == []


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    broken.write(tmp_path, "project", broken.PROJECT.encode())
    (tmp_path / "detectors/a.yml").mkdir(parents=True)
    (tmp_path / "detectors/b.yml").symlink_to(tmp_path / "detectors/b.yml")
    assert [line.split(" ")[:2] for line in broken.said_of(tmp_path)] == [
        ["detectors/a.yml:", "error[unreadable]:"],
        ["detectors/b.yml:", "error[unreadable]:"],
    ]


def test_a_file_that_would_be_passed_over_is_an_error(tmp_path: Path) -> None:
    broken.write(tmp_path, "project", broken.PROJECT.encode())
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors/one.yaml").write_text(broken.DETECTOR)
    message = "only files that end in .yml are read - rename it"
    assert broken.said_of(tmp_path) == [f"detectors/one.yaml: error[file-name]: {message}"]


def test_a_folder_without_a_project_says_so(tmp_path: Path) -> None:
    message = "there is no project file here - add one, or name another folder"
    assert broken.said_of(tmp_path) == [f"beforehand.yml: error[no-project]: {message}"]
