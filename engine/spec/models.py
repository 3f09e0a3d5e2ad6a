"""`models:` - how the project keeps what models have learned."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, Node
from engine.spec.policies import EXAMPLES_KEPT
from engine.spec.values import Scope, shown

# As objects, which they are while a learner is taught from them, so many weigh some 90 MB.
MOST_EXAMPLES = 100_000


class ModelsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How models are kept, as it is written."""

    key: Annotated[str, As.SECRET, "where the key stands that signs their snapshots"] = ""
    keep_examples: Annotated[
        float, As.NUMBER, "how many answers of each model are kept, so that other learners can be taught from them"
    ] = EXAMPLES_KEPT


def examples_kept(document: ModelsDocument, node: Node | None, scope: Scope) -> int:
    """How many answers of each model are kept; 0 = none."""
    kept = document.keep_examples
    if not float(kept).is_integer() or not 0 <= kept <= MOST_EXAMPLES:
        entries = node if isinstance(node, MappingNode) else ()
        at = next(value for key, value in entries if key.text == "keep_examples")
        scope.report.error(
            at, "bad-number", f"{shown(at)} is no such number - it goes from 0, for none, to {MOST_EXAMPLES:,}"
        )
    return int(kept)
