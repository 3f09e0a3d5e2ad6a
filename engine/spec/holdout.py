"""`holdout:` - who is left alone on purpose, so that what messages do can be measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.policies import HoldoutSpec
from engine.spec.reading import Written, read
from engine.spec.report import either, near
from engine.spec.values import Scope

CLASSES = ("service", "marketing")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)\s*%")


class HoldoutDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    salt: Annotated[str, As.TEXT, "a name for this draw; another one draws anew"]
    share: Annotated[str, As.TEXT, "how many are held out of everything, as in 5%"] = ""
    classes: Annotated[Mapping[str, str], As.MAPPING, "how many are held out of a class besides"] = {}
    contact: Annotated[str, As.FIELD, "the attribute with the address that tells customers apart"] = ""


def read_holdout(node: Node | None, scope: Scope) -> HoldoutSpec | None:
    """The typed form, None where there is none or something in it is wrong."""
    written = read(node, HoldoutDocument, scope) if node is not None else None
    if node is None or written is None or not written.sound:
        return None
    document = written.value
    if not document.share and not document.classes:
        scope.report.error(node, "no-effect", "it holds nobody out - add 'share' or 'classes'")
    for word in document.classes:
        if word not in CLASSES:
            hint = near(word, CLASSES) or f" - write {either(CLASSES)}"
            scope.report.error(written.nodes["classes"], "bad-choice", f"'{word}' is not possible here{hint}")
    return HoldoutSpec(
        salt=document.salt,
        places=_places(document.share, "share", written, scope) if document.share else 0,
        places_by_class={word: _places(share, "classes", written, scope) for word, share in document.classes.items()},
        contact=document.contact,
    )


def _places(share: str, key: str, written: Written[HoldoutDocument], scope: Scope) -> int:
    """Of 10,000."""
    found = _PERCENT.fullmatch(share)
    places = round(float(found[1]) * 100) if found else 0
    if not 0 < places < 10_000:
        message = f"'{share}' is not a share - write one above 0% and below 100%, as in 5%"
        scope.report.error(written.nodes[key], "bad-share", message)
    return places
