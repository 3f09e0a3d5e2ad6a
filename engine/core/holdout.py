"""Who is left alone on purpose, so that what the messages do can be measured against doing nothing.

Somebody's place is a digest of whom they are, so it is the same for ever, and a larger share only adds people.
"""

from __future__ import annotations

from functools import lru_cache

from engine.core.digest import digest
from engine.core.unit_state import Candidate

PLACES = 10_000


def held_out_of(candidate: Candidate) -> str:
    """`everything` or the class that the recipient is held out of; "" if the candidate is for real."""
    spec = candidate.project.policies.holdout
    if spec is None or not candidate.competes:
        return ""
    whose, purpose = _whose(candidate, spec.contact), candidate.play.purpose
    if place_of(spec.salt, "", whose) < spec.places:
        return "everything"
    if place_of(spec.salt, purpose, whose) < spec.places_by_class.get(purpose, 0):
        return purpose
    return ""


@lru_cache(maxsize=65_536)
def place_of(salt: str, layer: str, whose: str) -> int:
    """0 to 9,999. Each layer shuffles anew, so that the held-out of one are not those of another."""
    return int(digest("holdout", salt, layer, whose), 16) % PLACES


def _whose(candidate: Candidate, contact: str) -> str:
    """The account, else where the recipient is reached: two customers with one address are held out together."""
    if candidate.signal.unit.startswith("account:"):
        return candidate.signal.unit
    known = candidate.profile_of(candidate.recipient.partition(":")[0]).get(contact) if contact else None
    return f"contact:{known.strip().casefold()}" if isinstance(known, str) and known.strip() else candidate.recipient
