"""One-click links: signed when an action is sent, and checked when somebody clicks.

A token says what it does, for which action and until when, and is signed with HMAC-SHA256: nobody without a key can
make or change one. It is made right before sending and never kept, so whatever is stored or logged cannot be clicked.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, TypeAlias

import msgspec

from engine.model import Action, Link
from engine.ports import Secret

VERSION = "1"
MOST_CHARS = 1_000
_PART = re.compile(r"[A-Za-z0-9_-]+")
Reason: TypeAlias = Literal["malformed", "forged", "expired"]


class Clicked(msgspec.Struct, frozen=True):
    """A token that is good: what it does, and for which action."""

    does: str
    action_id: str
    expires_at: int


class Refused(msgspec.Struct, frozen=True):
    """A token that is not: `malformed` is no token of ours, `forged` has no signature of a known key."""

    reason: Reason


def mint(link: Link, action_id: str, key: Secret) -> str:
    """The token of an action's link. The same for every attempt to send it."""
    body = _encoded(msgspec.json.encode([VERSION, link.does, action_id, link.expires_at]))
    return f"{body}.{_encoded(_signature(body, key))}"


def check(token: str, keys: Sequence[Secret], now: int) -> Clicked | Refused:
    """What a click does, or why it does nothing. `keys` are those that are good, `now` the time in ms.

    Who signed it is asked first, so that nothing is learnt from a token that is not ours.
    """
    body, _dot, signature = token.partition(".")
    if len(token) > MOST_CHARS or not _PART.fullmatch(body) or not _PART.fullmatch(signature):
        return Refused("malformed")
    good = [hmac.compare_digest(signature, _encoded(_signature(body, key))) for key in keys]
    if not any(good):
        return Refused("forged")
    clicked = _read(body)
    if clicked is None:
        return Refused("malformed")
    return clicked if now < clicked.expires_at else Refused("expired")


def with_token(action: Action, key: Secret) -> Action:
    """The action as it is sent: the address in its texts leads to its token."""
    link = action.link
    if link is None:
        return action
    assert link.url.endswith(f"/{action.id}"), action.id
    url = f"{link.url.removesuffix(action.id)}{mint(link, action.id, key)}"
    return msgspec.structs.replace(
        action,
        title=action.title.replace(link.url, url),
        text=action.text.replace(link.url, url),
        link=msgspec.structs.replace(link, url=url),
    )


def _read(body: str) -> Clicked | None:
    try:
        version, does, action_id, expires_at = msgspec.json.decode(
            urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=tuple[str, str, str, int]
        )
    except (Error, msgspec.DecodeError):
        return None
    return Clicked(does, action_id, expires_at) if version == VERSION else None


def _signature(body: str, key: Secret) -> bytes:
    return hmac.new(key.reveal().encode(), f"beforehand link {body}".encode(), sha256).digest()


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
