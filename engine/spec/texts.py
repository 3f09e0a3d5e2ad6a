"""`text:` of a stream: events with a text and no score get one. And the file of weights that may say how.

Such a file is learned from texts that somebody has judged (`beforehand models learn-text`). It is JSON and nothing else
is ever read, so whatever stands in it can be a wrong number at worst.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.reading import read
from engine.spec.scoring import TextSpec
from engine.spec.types import EventMap
from engine.spec.values import Scope

# The distribution that scores where no file is named, and the extra of ours that installs it.
LIBRARY, EXTRA = "vaderSentiment", "text"
FORMAT = 1
# A digest over how some texts are taken apart; weights learned from other parts would mean nothing. A test holds it
# against what the model does.
TAKEN_APART = "7b2f92e2"
PLACES = 1 << 16
LARGEST_WEIGHT = 1_000.0
MOST_BYTES = 8 << 20


class TextDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a stream's events, as it is written."""

    field: Annotated[tuple[str, ...], As.FIELDS, "the attribute with the text, or several that are read as one"]
    into: Annotated[str, As.FIELD, "the attribute that gets the score, from -1 to 1"] = "score"
    length_into: Annotated[str, As.FIELD, "the attribute that gets the number of its characters"] = ""
    model: Annotated[str, As.TEXT, "a file of weights of your own, below the configuration's folder"] = ""


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of weights. `texts` is how many judged texts it was learned from; `digest` is over all the rest."""

    format: int
    taken_apart: str
    texts: int
    weights: dict[int, float]
    digest: str = ""


def written(weights: Mapping[int, float], texts: int) -> bytes:
    """The file that holds them, the same bytes for the same weights."""
    whole = Weights(format=FORMAT, taken_apart=TAKEN_APART, texts=texts, weights=dict(sorted(weights.items())))
    signed = msgspec.structs.replace(whole, digest=_digest(whole))
    return msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n"


def _digest(weights: Weights) -> str:
    bare = msgspec.structs.replace(weights, digest="", weights=dict(sorted(weights.weights.items())))
    return blake2b(msgspec.json.encode(bare), digest_size=16).hexdigest()


def read_text(node: Node | None, maps: Collection[EventMap], family: str, scope: Scope) -> TextSpec | None:
    """How a stream's texts are scored; None where it does not say, or where something is wrong with it."""
    if node is None:
        return None
    written = read(node, TextDocument, scope)
    if written is None or not written.sound:
        return None
    document, before = written.value, scope.report.errors
    if family == "profile":
        scope.report.error(node, "unused-option", "'text' goes with events, not with 'family: profile'")
    if document.into in document.field:
        told = f"the score would take the place of the text in '{document.into}' - name another attribute"
        scope.report.error(written.nodes.get("into", node), "bad-field", told)
    if document.length_into in (*document.field, document.into):
        told = f"'{document.length_into}' has something else already - name another attribute for the length"
        scope.report.error(written.nodes["length_into"], "bad-field", told)
    _judge_maps(document, written.nodes["field"], maps, scope)
    weights, made_by = _scorer(node, document.model, written.nodes.get("model"), scope)
    if scope.report.errors > before:
        return None
    into = {"into": document.into, "length_into": document.length_into}
    return TextSpec(fields=document.field, weights=weights, version=made_by, **into)


def _judge_maps(document: TextDocument, node: Node, maps: Collection[EventMap], scope: Scope) -> None:
    """Where rows are mapped, the text has to be among the attributes of one event at least."""
    if not maps or any(each.attributes is None for each in maps):
        return
    mapped = {name for each in maps for name in each.attributes or ()}
    for name in document.field:
        if name not in mapped and name.partition(".")[0] not in mapped:
            told = f"no event of this stream has '{name}' - add it to 'attributes' of 'map'"
            scope.report.error(node, "unknown-field", told)


def _scorer(node: Node, name: str, model: Node | None, scope: Scope) -> tuple[Mapping[int, float] | None, str]:
    """The weights, None for the library's own; and what tells them from all others."""
    if model is not None:
        found = _weights(name, model, scope)
        return (found.weights, found.digest) if found else (None, "")
    try:
        return None, f"{LIBRARY} {version(LIBRARY)}"
    except PackageNotFoundError:
        told = f"'text' needs a 'model' of your own, or else the extra: pip install \"beforehand[{EXTRA}]\""
        scope.report.error(node, "missing-extra", told)
        return None, ""


def _weights(name: str, node: Node, scope: Scope) -> Weights | None:
    try:
        return weights_in(Path(node.place.path).parent, name)
    except ValueError as wrong:
        scope.report.error(node, "bad-model", f"'{name}' {wrong}")
        return None


def weights_in(folder: Path, name: str) -> Weights:
    """A file of weights below a folder. Raises ValueError that says what is wrong with it."""
    again = "make it again with `beforehand models learn-text`"
    file = folder / name
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise ValueError("leads out of the configuration's folder - put the file itself there")
        with file.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"is larger than any file of weights - {again}")
        found = msgspec.json.decode(raw, type=Weights)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror} - {again}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no file of weights ({error}) - {again}") from error
    if found.format != FORMAT:
        raise ValueError(f"has format {found.format}, and this version reads {FORMAT} - {again}")
    if found.taken_apart != TAKEN_APART:
        raise ValueError(f"was learned by a version that takes texts apart in another way - {again}")
    if found.digest != _digest(found):
        raise ValueError(f"has been changed or damaged since it was written, by its digest - {again}")
    if not all(0 <= place < PLACES and abs(weight) <= LARGEST_WEIGHT for place, weight in found.weights.items()):
        raise ValueError(f"has weights that no text could reach - {again}")
    return found
