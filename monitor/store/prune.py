"""Deletes what is too old, in small steps with a pause between, so that whoever writes never waits for long."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.store import history
from monitor.store.database import Database
from monitor.store.tables import BELIEFS, BREAKERS, EMULATORS

PAUSE: Final = 0.05
"""Seconds between two steps."""


async def prune(database: Database, cut_off: float, *, step: int = history.STEP) -> None:
    """Delete events before `cut_off`, and rows of workstations nobody has watched since then.

    Raises:
        StoreError: The store is away; what was deleted is deleted.

    """
    after: str | None = ""
    while after is not None:
        after = await _events(database, cut_off, after, step)
        await asyncio.sleep(PAUSE if after is not None else 0)
    await database.write(lambda connection: _rows(connection, cut_off))


async def _events(database: Database, cut_off: float, after: str, step: int) -> str | None:
    return await database.write(lambda connection: history.prune(connection, cut_off, after=after, step=step))


async def _rows(connection: AsyncConnection, cut_off: float) -> None:
    for table in (BELIEFS, EMULATORS, BREAKERS):
        await connection.execute(delete(table).where(table.c.written_at < cut_off))
