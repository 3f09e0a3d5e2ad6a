"""After an erasure: the log is written anew and the file swept, so that neither holds any more what was forgotten.

That it is to be done is part of what is remembered, so that whoever takes the partition over in between does it.
"""

from __future__ import annotations

import asyncio

from engine.shells.kafka.replica import Replica

DUE = "forget"


class Forgetting:
    """For one replica. Made anew with every load from it."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._is_due = bool(replica.head.facts.get(DUE))

    def ask(self) -> None:
        """Something is forgotten with the commit to come."""
        self._replica.fact(DUE, b"1")
        self._is_due = True

    async def go_on(self) -> None:
        """Behind each commit: what is due. It holds the partition up while all that is live is written once.

        Raises Fenced, KafkaError.
        """
        if not self._is_due:
            return
        replica = self._replica
        await replica.renew()
        await asyncio.to_thread(replica.store.sweep)
        while replica.is_renewing:
            await replica.commit({})
        replica.fact(DUE, b"")
        await replica.commit({})
        self._is_due = False
