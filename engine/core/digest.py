"""Stable names: the same parts give the same digest in every process, on every machine, for ever."""

from __future__ import annotations

import hashlib


def digest(*parts: str) -> str:
    """24 hex characters over the parts in order; ("ab", "c") and ("a", "bc") differ."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
