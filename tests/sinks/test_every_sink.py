"""What every sink must keep to. A new file in `sinks/` is checked here once it has a rig below.

A rig knows how to build a sink that works, one whose peer is bad, and how to read what came out.
"""

import inspect
import io
import json
import re
import typing
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

import sinks
from engine.model import DAY_MS
from engine.ports import As, Confirming, Delivered, Rejected, Retry, Secret, SinkContext, Unknown

CANARY = "whsec_Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5"
NASTY = "Call\x1b[31m Ada\u202e now\x00\u2066!\x9b"
KINDS = sinks.kinds()


class StdoutRig:
    def __init__(self, folder, serve, answering):
        self.stream = io.StringIO()

    @asynccontextmanager
    async def working(self):
        yield self._sink(json=True, stream=self.stream)

    @asynccontextmanager
    async def failing(self):
        class Closed(io.StringIO):
            def write(self, text):
                raise BrokenPipeError(f"secret {CANARY}")

        yield self._sink(json=False, stream=Closed())

    def out(self):
        return self.stream.getvalue()

    def ids(self):
        return [json.loads(line)["id"] for line in self.out().splitlines()]

    def _sink(self, *, json, stream):
        module = sinks.load("stdout")
        return module.Sink(module.Options(json=json), context("."), stream)


class FileRig:
    def __init__(self, folder, serve, answering):
        self.folder = folder

    @asynccontextmanager
    async def working(self):
        yield self._sink("out/actions.jsonl")

    @asynccontextmanager
    async def failing(self):
        sink = self._sink("gone/actions.jsonl")
        yield sink

    def break_peer(self):
        (self.folder / "gone/actions.jsonl").unlink()
        (self.folder / "gone/actions.jsonl").mkdir()

    def out(self):
        return (self.folder / "out/actions.jsonl").read_text()

    def ids(self):
        return [json.loads(line)["id"] for line in self.out().splitlines()]

    def _sink(self, path):
        module = sinks.load("file")
        return module.Sink(module.Options(path=path), context(self.folder))


class WebhookRig:
    def __init__(self, folder, serve, answering):
        self.serve, self.answering = serve, answering
        self.peer = None

    @asynccontextmanager
    async def working(self):
        async with self.serve(self.answering(200)) as self.peer:
            yield self._sink()

    @asynccontextmanager
    async def failing(self):
        async with self.serve(self.answering(400, f"bad key {CANARY} \x1b[2J\u202e".encode())) as self.peer:
            yield self._sink()

    def out(self):
        return "".join(body.decode() for body in self.peer.bodies)

    def ids(self):
        """What a receiver that drops repeated ids would have kept."""
        return list(dict.fromkeys(json.loads(body)["id"] for body in self.peer.bodies))

    def _sink(self):
        module = sinks.load("webhook")
        options = module.Options(
            url=f"http://127.0.0.1:{self.peer.port}/",
            secret=Secret("env:S", CANARY),
            token=Secret("env:T", CANARY),
            allow_private=True,
            timeout=500,
        )
        return module.Sink(options, context("."))


RIGS = {"stdout": StdoutRig, "file": FileRig, "webhook": WebhookRig}


def context(folder):
    return SinkContext(name="under-test", folder=str(folder), project="northwind")


@pytest.fixture
def rig(kind, tmp_path, serve, answering):
    assert kind in RIGS, f"give sinks/{kind}.py a rig in this file"
    return RIGS[kind](tmp_path, serve, answering)


pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_its_docstring_has_a_yaml_example_of_its_options(kind):
    module = sinks.load(kind)
    example = re.search(r"```yaml\n(.*?)```", inspect.getdoc(module) or "", re.DOTALL)
    assert example, "show how it is written in YAML"
    for written in YAML(typ="safe").load(example[1])["sinks"].values():
        assert written.pop("kind") == kind
        assert set(written) <= {field.name for field in msgspec.structs.fields(module.Options)}
        required = {field.name for field in msgspec.structs.fields(module.Options) if field.required}
        assert required <= set(written)


def test_every_option_says_what_it_is(kind):
    hints = typing.get_type_hints(sinks.load(kind).Options, include_extras=True)
    for name, hint in hints.items():
        mark, sentence = hint.__metadata__
        assert mark in As, name
        assert len(sentence) > 10, name


def test_every_option_is_in_the_documentation(kind):
    page = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text()
    section = page.split(f"### {kind}\n")[1].split("\n### ")[0]
    for field in msgspec.structs.fields(sinks.load(kind).Options):
        assert f"`{field.name}`" in section


def test_options_are_frozen_and_show_no_secret(kind):
    options = sinks.load(kind).Options
    assert options.__struct_config__.frozen
    secrets = [
        name
        for name, hint in typing.get_type_hints(options, include_extras=True).items()
        if As.SECRET in hint.__metadata__
    ]
    required = {field.name: "x" for field in msgspec.structs.fields(options) if field.required}
    made = options(**required, **{name: Secret("env:S", CANARY) for name in secrets})
    assert CANARY not in repr(made)


async def test_it_delivers(kind, rig, action):
    async with rig.working() as sink:
        await sink.open()
        assert isinstance(await sink.send(action("a1")), Delivered)
        await sink.close()
    assert rig.ids() == ["a1"]


async def test_a_bad_peer_is_classified_and_nothing_leaks(kind, rig, action):
    async with rig.failing() as sink:
        await sink.open()
        getattr(rig, "break_peer", lambda: None)()
        verdict = await sink.send(action("a1"))
        await sink.close()
    assert isinstance(verdict, Retry | Rejected | Unknown)
    assert verdict.why
    for shown in (repr(verdict), repr(sink), str(vars(sink))):
        assert CANARY not in shown
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", verdict.why)


async def test_nothing_that_it_writes_can_disturb_a_terminal(kind, rig, action):
    async with rig.working() as sink:
        await sink.open()
        await sink.send(action("a1", title=NASTY, text=NASTY, why=NASTY, recipient=NASTY, play=NASTY))
        await sink.close()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rig.out())


async def test_text_that_is_not_valid_unicode_is_sent_all_the_same(kind, rig, action):
    async with rig.working() as sink:
        await sink.open()
        verdict = await sink.send(action("a1", text="half \ud83d a pair", recipient="\udc00"))
        await sink.close()
    assert verdict == Delivered()


async def test_it_may_be_opened_and_closed_twice(kind, rig, action):
    async with rig.working() as sink:
        await sink.open()
        await sink.open()
        assert isinstance(await sink.send(action("a1")), Delivered)
        await sink.close()
        await sink.close()
        await sink.open()
        assert isinstance(await sink.send(action("a2")), Delivered)
        await sink.close()


async def test_what_it_says_of_repeats_is_true(kind, rig, action):
    async with rig.working() as sink:
        assert sink.idempotent == (sink.idempotent_for_ms > 0)
        await sink.open()
        await sink.send(action("a1"))
        if sink.idempotent:
            await sink.send(action("a1"))
            assert rig.ids() == ["a1"]
        if isinstance(sink, Confirming):
            assert isinstance(await sink.confirm("a1"), Delivered)
            assert isinstance(await sink.confirm("a"), Retry)
        await sink.close()
    assert sink.idempotent_for_ms <= 30 * DAY_MS
