"""Versions: what a document means, as twelve hex digits."""

from __future__ import annotations

import json
from collections.abc import Collection
from hashlib import blake2b

from engine.model import Json
from engine.spec.nodes import MappingNode, plain


def version_of(node: MappingNode, without: Collection[str] = ()) -> str:
    """A digest of the values, blind to comments, layout, quotes, the order of keys, and the keys in `without`."""
    return digest({entry.key.text: plain(entry.value) for entry in node if entry.key.text not in without})


def digest(value: Json) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return blake2b(canonical.encode(), digest_size=6).hexdigest()
