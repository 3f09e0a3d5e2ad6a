"""Links are signed on the way to the sink: what arrives can be clicked, and what is kept cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.core.links import Clicked, check
from engine.errors import OperatorError
from engine.model import Action, Link
from engine.payload import encoded
from engine.ports import Confirming, Delivered, Retry, Secret, Verdict
from engine.shells.linking import keys_of, linking
from engine.shells.wiring import build_sinks, load_configuration
from tests.dispatch.conftest import Bench, Receiver
from tests.spec import broken

KEY = Secret("env:KEY", "0123456789abcdef")
BASE = "https://fix.example.com/do"


class Keeping(Receiver):
    """Keeps what it was sent."""

    def __init__(self, *script: Verdict) -> None:
        super().__init__(*script)
        self.sent: list[Action] = []

    async def send(self, action: Action) -> Verdict:
        self.sent.append(action)
        return await super().send(action)


class Asked(Keeping):
    async def confirm(self, action_id: str) -> Verdict | None:
        return Delivered(f"asked-{action_id}")


def linked(action: Callable[..., Action]) -> Action:
    link = Link(does="pay", expires_at=2_000_000_000_000, url=f"{BASE}/a1")
    return action("a1", text=f"Pay here: {link.url} or reply", link=link)


async def test_the_same_link_goes_out_at_every_attempt_and_is_kept_by_none(
    bench: Bench, action: Callable[..., Action]
) -> None:
    receiver = Keeping(Retry("busy"))
    bench.add(linked(action))
    await bench.until_settled(await bench.start(desk=linking(receiver, KEY)))
    first, second = receiver.sent
    assert first == second
    assert first.link is not None
    assert first.text == f"Pay here: {first.link.url} or reply"
    token = first.link.url.removeprefix(f"{BASE}/")
    assert check(token, [KEY], 0) == Clicked("pay", "a1", 2_000_000_000_000)
    signature = token.split(".")[1].encode()
    assert signature in encoded(first)
    assert bench.row("a1").action == linked(action)
    kept = [path.read_bytes() for path in bench.folder.iterdir() if path.is_file()]
    assert not any(signature in content or KEY.reveal().encode() in content for content in kept)


async def test_what_has_no_link_goes_as_it_is(bench: Bench, action: Callable[..., Action]) -> None:
    receiver = Keeping()
    bench.add(action("a1"))
    await bench.until_settled(await bench.start(desk=linking(receiver, KEY)))
    assert receiver.sent == [action("a1")]


async def test_a_sink_that_can_be_asked_still_can() -> None:
    assert not isinstance(linking(Keeping(), KEY), Confirming)
    asked = linking(Asked(), KEY)
    assert isinstance(asked, Confirming)
    assert await asked.confirm("a1") == Delivered("asked-a1")


# ---- the keys

LINKS = f"links: {{base: '{BASE}', key: 'env:LINK_KEY', old_key: 'file:old.key', does: pay}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    broken.write(tmp_path, "project", (broken.PROJECT + LINKS).encode())
    (tmp_path / "old.key").write_text("the key that was there before\n")
    monkeypatch.setenv("LINK_KEY", "0123456789abcdef")
    return tmp_path


def test_keys_are_read_the_one_that_signs_first(folder: Path) -> None:
    keys = keys_of(load_configuration(folder))
    assert [key.reveal() for key in keys] == ["0123456789abcdef", "the key that was there before"]
    assert "0123456789abcdef" not in repr(keys)


def test_a_short_key_stops_the_start_and_is_not_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINK_KEY", "hunter2")
    with pytest.raises(OperatorError, match="env:LINK_KEY of links has to have at least 16 bytes") as refused:
        build_sinks(load_configuration(folder), folder)
    assert "hunter2" not in str(refused.value)


def test_a_dry_run_needs_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINK_KEY")
    (sink,) = build_sinks(load_configuration(folder), folder, only_kind="stdout").values()
    assert type(sink).__module__ == "sinks.stdout"


def test_a_project_without_links_has_plain_sinks(tmp_path: Path) -> None:
    broken.write(tmp_path, "project", broken.PROJECT.encode())
    configuration = load_configuration(tmp_path)
    assert keys_of(configuration) == ()
    assert msgspec.structs.asdict(configuration.project.messages)["links"] is None
    assert [type(sink).__module__ for sink in build_sinks(configuration, tmp_path).values()] == ["sinks.stdout"]
