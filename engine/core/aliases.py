"""The other names an entity goes by, joined from the event on that carries both; histories are never merged."""

from __future__ import annotations

from collections.abc import Mapping


class Aliases:
    """Which primary id each other name (`crm_id:123`) of an entity kind belongs to. The latest joining wins."""

    def __init__(self, most_per_kind: int) -> None:
        self._most_per_kind = most_per_kind
        self._primary_of: dict[str, dict[str, str]] = {}
        self._learnt: dict[str, dict[str, str]] = {}

    def join(self, kind: str, names: list[str], primary: str) -> None:
        known = self._primary_of.setdefault(kind, {})
        for name in names:
            if known.get(name) != primary and (name in known or len(known) < self._most_per_kind):
                known[name] = primary
                self._learnt.setdefault(kind, {})[name] = primary

    def resolve(self, kind: str, names: list[str]) -> str:
        """The primary id behind the first name that was joined, else the first name as an entity of its own."""
        known = self._primary_of.get(kind, {})
        for name in names:
            if name in known:
                return known[name]
        return names[0] if names else ""

    def adopt(self, joined: Mapping[str, Mapping[str, str]]) -> None:
        """Take in what was joined elsewhere, which needs no telling again."""
        for kind, names in joined.items():
            self._primary_of.setdefault(kind, {}).update(names)

    def learnt(self) -> dict[str, dict[str, str]]:
        """What was joined since the last call."""
        learnt, self._learnt = self._learnt, {}
        return learnt

    def restore(self, joined: Mapping[str, Mapping[str, str]]) -> None:
        self._primary_of = {kind: dict(names) for kind, names in joined.items()}
        self._learnt = {}
