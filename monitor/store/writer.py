"""Writes what changed: in slices of a few workstations, so that neither the loop nor the store is held for long.

What happened to a workstation is written with what is believed of it since, or not at all: a crash between the two
would leave events of a change the next process has not seen, as far as it knows, and records anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.breaker.registry import Breakers
from monitor.events import Event
from monitor.fleet import Fleet
from monitor.model import Key
from monitor.store.backlog import Backlog
from monitor.store.boots import Boots
from monitor.store.database import Database
from monitor.store.history import append
from monitor.store.ledger import Changes, Ledger
from monitor.store.rows import Past, Thing, forget, load, upsert
from monitor.store.tables import METADATA

SLICE: Final = 4
"""Workstations compared and written at once."""
BATCH: Final = 200
"""Events of other workstations, or of none, written at once."""


class Writer:
    """Knows what may have changed since it was written."""

    def __init__(
        self,
        database: Database,
        *,
        fleet: Fleet,
        breakers: Breakers,
        boots: Boots,
        backlog: Backlog,
        wall: Callable[[], float],
    ) -> None:
        self._database = database
        self._fleet = fleet
        self._breakers = breakers
        self._boots = boots
        self._backlog = backlog
        self._wall = wall
        self._ledger = Ledger()
        self._stale: set[str] = set()
        self._keys: dict[str, set[Key]] = {}
        self._recalled = False

    @property
    def clean(self) -> bool:
        """Whether nothing is left to write."""
        return not self._stale and not self._backlog

    def changed(self, workstation: str) -> None:
        """Take note that what is believed of a workstation changed."""
        self._stale.add(workstation)

    def turned(self, key: Key) -> None:
        """Take note that a breaker changed."""
        self._keys.setdefault(key.workstation, set()).add(key)
        self._stale.add(key.workstation)

    def everything(self) -> None:
        """Compare everything with what was written."""
        self._boots.retain(self._fleet.identities())
        self._stale.update(self._ledger.workstations())
        self._stale.update(self._fleet.identities())

    async def first_read(self) -> Past | None:
        """Read what is remembered; None: that was done already."""
        return None if self._recalled else await self._database.read(load)

    def recalled(self, past: Past) -> None:
        """Note what the store holds, now that the fleet and the breakers know it too."""
        self._recalled = True
        ours = frozenset(self._fleet.identities())
        self._ledger.read(past, ours, self._wall())
        for saved in past.breakers:
            if saved.key.workstation in ours:
                self.turned(saved.key)
        self.everything()

    def anew(self) -> None:
        """Trust nothing that was written: the store was away, and may be another one."""
        self._ledger.forget()
        self.everything()

    async def write(self) -> None:
        """Write one slice.

        Raises:
            StoreError: Nothing of it was noted as written; it will be tried again.

        """
        await asyncio.sleep(0)  # a slice of which nothing has to be written waits for nothing else
        names = [self._stale.pop() for _ in range(min(SLICE, len(self._stale)))]
        at = self._wall()
        try:
            changes = _joined([self._ledger.compare(name, self._true(name), at) for name in names])
            events = self._backlog.take(BATCH, of=names, without=self._stale)
            if changes.fresh or changes.gone or events:
                await self._database.write(lambda connection: _write(connection, changes, events, at))
        except BaseException:
            self._stale.update(names)
            raise
        self._backlog.done(events)
        self._ledger.wrote(changes, at)

    def _true(self, workstation: str) -> Iterator[Thing]:
        beliefs, emulators = self._fleet.remember(workstation)
        yield from beliefs
        yield from emulators
        yield from self._boots.remember(workstation)
        yield from (saved for saved in self._breakers.saved(self._keys.get(workstation, ())) if not saved.plain)


def _joined(parts: Sequence[Changes]) -> Changes:
    return Changes(
        tuple(thing for part in parts for thing in part.fresh), tuple(name for part in parts for name in part.gone)
    )


async def _write(connection: AsyncConnection, changes: Changes, events: Sequence[Event], at: float) -> None:
    await append(connection, events)
    await upsert(connection, changes.fresh, at)
    for name, identity in changes.gone:
        await forget(connection, METADATA.tables[name], [identity])
