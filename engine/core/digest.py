"""Stable names: the same parts give the same digest in every process, on every machine, for ever."""

from __future__ import annotations

import hashlib
import zlib

import xxhash


def digest(*parts: str) -> str:
    """24 hex characters over the parts in order; ("ab", "c") and ("a", "bc") differ."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def stream_seed(stream: str) -> int:
    """What keeps equal ids of two streams apart."""
    return zlib.crc32(stream.encode())


def seen_digest(event_id: str, stream: str) -> int:
    """The number by which a repeated event is recognised."""
    return xxhash.xxh3_64_intdigest(event_id.encode(), stream_seed(stream))
