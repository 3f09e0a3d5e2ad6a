"""A link does what was signed, until it expires; nothing else can be made of it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.links import Clicked, Refused, check, mint
from engine.model import Link
from engine.ports import Secret

KEY, OLD, OTHER = (Secret(name, name * 8) for name in ("key one!", "key two!", "stranger"))
LINK = Link(does="resend-invoice", expires_at=1_000, url="https://fix.example.com/a1")
TOKEN = mint(LINK, "a1", KEY)


def test_a_good_token_says_what_it_does() -> None:
    assert check(TOKEN, [KEY], 999) == Clicked("resend-invoice", "a1", 1_000)


def test_it_is_the_same_each_time_it_is_made() -> None:
    assert mint(LINK, "a1", KEY) == TOKEN


def test_it_ends_at_its_moment() -> None:
    assert check(TOKEN, [KEY], 1_000) == Refused("expired")


def test_another_key_made_none_of_ours() -> None:
    assert check(TOKEN, [OTHER], 0) == Refused("forged")
    assert check(TOKEN, [], 0) == Refused("forged")


def test_keys_are_changed_without_breaking_what_was_sent() -> None:
    """The new key signs, the old one is good until its links have expired."""
    assert isinstance(check(mint(LINK, "a1", OLD), [KEY, OLD], 0), Clicked)
    assert isinstance(check(TOKEN, [KEY, OLD], 0), Clicked)
    assert check(mint(LINK, "a1", OLD), [KEY], 0) == Refused("forged")


@given(place=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("AZaz09-_."))
def test_a_changed_token_is_refused(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    assert changed == TOKEN or isinstance(check(changed, [KEY], 0), Refused)


@given(st.text(max_size=60))
def test_anything_else_is_refused(token: str) -> None:
    assert isinstance(check(token, [KEY], 0), Refused)


@pytest.mark.parametrize("body", [b'["1","pay","a1",99999]', b'["1","resend-invoice","a2",99999]', b"[]", b"\xff"])
def test_a_signature_is_good_for_what_it_signed_alone(body: bytes) -> None:
    forged = urlsafe_b64encode(body).rstrip(b"=").decode() + "." + TOKEN.split(".")[1]
    assert check(forged, [KEY], 0) == Refused("forged")


def test_a_very_long_token_costs_nothing() -> None:
    assert check("a" * 10**6 + ".b", [KEY], 0) == Refused("malformed")


def test_the_key_is_not_in_it() -> None:
    body, signature = TOKEN.split(".")
    assert KEY.reveal().encode() not in urlsafe_b64decode(body + "==") + urlsafe_b64decode(signature + "==")
