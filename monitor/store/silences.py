"""The silences and windows of maintenance that operators made, in the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.silences import Matchers, Purpose, Repeat, Silence, Span
from monitor.store.database import Database
from monitor.store.rows import clean, readable
from monitor.store.tables import SILENCES


class StoredSilences:
    """All that were made and are not long over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> tuple[Silence, ...]:
        """Read them; a row of words this version does not know is passed over.

        Raises:
            StoreError: They could not be read.

        """

        async def work(connection: AsyncConnection) -> Sequence[RowMapping]:
            return (await connection.execute(select(SILENCES))).mappings().all()

        rows = await self._database.read(work)
        return await asyncio.to_thread(lambda: tuple(readable(rows, _silence)))  # time zones are read from disk

    async def put(self, silences: Sequence[Silence]) -> None:
        """Write them, over what was there; one that was ended stays ended.

        Raises:
            StoreError: None was written.

        """
        rows = [_row(silence) for silence in silences]

        async def work(connection: AsyncConnection) -> None:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            statement = insert(SILENCES)
            fresh = {column.name: statement.excluded[column.name] for column in SILENCES.c if column.name != "id"}
            unended = SILENCES.c.ended_at.is_(None)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["id"], set_=fresh, where=unended), rows
            )

        await self._database.write(work)

    async def forget(self, before: float) -> None:
        """Delete those that were over before a Unix time.

        Raises:
            StoreError: They could not be deleted.

        """
        over = or_(SILENCES.c.ends_at < before, SILENCES.c.ended_at < before)
        await self._database.write(lambda connection: connection.execute(delete(SILENCES).where(over)))


def _row(silence: Silence) -> dict[str, Any]:
    span = silence.when if isinstance(silence.when, Span) else None
    repeat = silence.when if isinstance(silence.when, Repeat) else None
    said = silence.matchers
    matchers = {
        "workstations": said.workstations,
        "sites": said.sites,
        "subjects": said.subjects,
        "labels": dict(said.labels),
    }
    return {
        "id": silence.id,
        "purpose": silence.purpose.value,
        "name": clean(silence.name),
        "matchers": json.dumps(matchers),
        "starts_at": span and span.starts_at,
        "ends_at": span and span.ends_at,
        "schedule": repeat and repeat.schedule,
        "duration": repeat and repeat.duration,
        "timezone": repeat and repeat.timezone,
        "who": clean(silence.who),
        "why": clean(silence.why),
        "created_at": silence.created_at,
        "ended_at": silence.ended_at,
        "ended_by": clean(silence.ended_by),
    }


def _silence(values: RowMapping) -> Silence:
    said = json.loads(values["matchers"])
    when: Span | Repeat
    if values["schedule"] is None:
        when = Span(values["starts_at"], values["ends_at"])
    else:
        when = Repeat(schedule=values["schedule"], duration=values["duration"], timezone=values["timezone"])
    return Silence(
        id=values["id"],
        purpose=Purpose(values["purpose"]),
        name=values["name"],
        matchers=Matchers(
            workstations=tuple(said["workstations"]),
            sites=tuple(said["sites"]),
            subjects=tuple(said["subjects"]),
            labels=said["labels"],
        ),
        when=when,
        who=values["who"],
        why=values["why"],
        created_at=values["created_at"],
        ended_at=values["ended_at"],
        ended_by=values["ended_by"],
    )
