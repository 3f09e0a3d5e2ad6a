"""Signs the one-click links of actions right before a sink gets them."""

from __future__ import annotations

from engine.core.links import with_token
from engine.model import Action
from engine.ports import Confirming, Secret, Sink, Verdict
from engine.shells.secrets import read_key
from engine.spec.types import Configuration


class Linking:
    """A sink that gets actions with their links signed. What is kept of an action has none that could be clicked."""

    def __init__(self, sink: Sink, key: Secret) -> None:
        self.idempotent = sink.idempotent
        self.idempotent_for_ms = sink.idempotent_for_ms
        self._sink = sink
        self._key = key

    async def open(self) -> None:
        await self._sink.open()

    async def send(self, action: Action) -> Verdict:
        return await self._sink.send(with_token(action, self._key))

    async def close(self) -> None:
        await self._sink.close()


class LinkingAndConfirming(Linking):
    """The same for a sink that can find out afterwards whether an action took effect."""

    def __init__(self, sink: Sink, key: Secret, confirming: Confirming) -> None:
        super().__init__(sink, key)
        self._confirming = confirming

    async def confirm(self, action_id: str) -> Verdict | None:
        return await self._confirming.confirm(action_id)


def keys_of(configuration: Configuration) -> tuple[Secret, ...]:
    """The keys of links, the one that signs first; none where the project has no links.

    Raises OperatorError for one that cannot be read, or is short enough to be guessed.
    """
    links = configuration.project.messages.links
    if links is None:
        return ()
    return tuple(read_key(one, configuration.folder, "links") for one in (links.key, links.old_key) if one)


def linking(sink: Sink, key: Secret) -> Sink:
    """The sink, with links signed on the way to it."""
    return LinkingAndConfirming(sink, key, sink) if isinstance(sink, Confirming) else Linking(sink, key)
