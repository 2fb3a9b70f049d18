"""The outbox in the store: a row per message, claimed by one UPDATE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.notify.outbox import EVERY_ALERT, Entry
from monitor.notify.payload import loads, spoken_of
from monitor.store.database import Database
from monitor.store.rows import clean
from monitor.store.tables import OUTBOX

PENDING: Final = "pending"
CLAIMED: Final = "claimed"
SENT: Final = "sent"
FAILED: Final = "failed"

_C: Final = OUTBOX.c


class StoredJournal:
    """See `monitor.notify.outbox.Journal`."""

    def __init__(self, database: Database, *, who: str) -> None:
        """Keep where; `who` names this process among those that share the store."""
        self._database = database
        self._who = who

    async def put(self, entries: Sequence[Entry]) -> None:
        """Keep entries; one whose id is there already stays as it was."""
        rows = [_row(entry) for entry in entries]

        async def work(connection: AsyncConnection) -> None:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            await connection.execute(insert(OUTBOX).on_conflict_do_nothing(index_elements=["id"]), rows)

        await self._database.write(work)

    async def claim(self, entry: Entry, *, now: float, until: float) -> bool:
        """Take an entry until a moment, unless somebody has it, or something older of its alert is not settled.

        Nor if somebody tried it since we learnt of it: then he also knows better when it is due again.
        """
        older = OUTBOX.alias("older")
        alert = clean(entry.alert)
        same = or_(older.c.alert == alert, older.c.alert == EVERY_ALERT, _always(alert == EVERY_ALERT))
        before = exists().where(
            older.c.channel == clean(entry.channel),
            older.c.state.in_((PENDING, CLAIMED)),
            older.c.created_at < entry.created_at,
            same,
        )
        statement = (
            update(OUTBOX)
            .where(_C.id == entry.id, _C.attempts == entry.attempts, self._free(now), ~before)
            .values(state=CLAIMED, claimed_by=self._who, claimed_until=until)
            .returning(_C.id)
        )
        return bool(await self._database.write(lambda connection: _rows(connection, statement)))

    async def done(self, entry: Entry, at: float) -> None:
        """Keep that it was delivered."""
        await self._change(entry, state=SENT, sent_at=at, attempts=entry.attempts + 1, error=None)

    async def retry_at(self, entry: Entry) -> None:
        """Keep when it is due again, how often it was tried, and why."""
        await self._change(
            entry,
            state=PENDING,
            due_at=entry.due_at,
            attempts=entry.attempts,
            error=clean(entry.error),
            claimed_by=None,
        )

    async def failed(self, entry: Entry, at: float) -> None:
        """Keep that it will never be delivered, and why."""
        await self._change(entry, state=FAILED, sent_at=at, attempts=entry.attempts + 1, error=clean(entry.error))

    async def live(self, now: float) -> Sequence[Entry]:
        """Return what is not settled and claimed by nobody else."""
        statement = select(OUTBOX).where(self._free(now)).order_by(_C.created_at)
        return [_entry(row) for row in await self._database.read(lambda connection: _rows(connection, statement))]

    async def latest(self) -> Sequence[Entry]:
        """Return the last entry of every alert of every channel, delivered or not."""
        newest = (
            select(_C.channel, _C.alert, func.max(_C.created_at).label("at"))
            .where(_C.alert != EVERY_ALERT)
            .group_by(_C.channel, _C.alert)
            .subquery()
        )
        same = and_(_C.channel == newest.c.channel, _C.alert == newest.c.alert, _C.created_at == newest.c.at)
        statement = select(OUTBOX).join(newest, same).order_by(_C.created_at)
        return [_entry(row) for row in await self._database.read(lambda connection: _rows(connection, statement))]

    async def prune(self, before: float) -> None:
        """Forget what was settled before a moment and is not the last of its alert."""
        newer = OUTBOX.alias("newer")
        follows = exists().where(
            newer.c.channel == _C.channel, newer.c.alert == _C.alert, newer.c.created_at > _C.created_at
        )
        statement = delete(OUTBOX).where(_C.state.in_((SENT, FAILED)), _C.sent_at < before, follows)
        await self._database.write(lambda connection: connection.execute(statement))

    def _free(self, now: float) -> ColumnElement[bool]:
        lapsed = and_(_C.state == CLAIMED, or_(_C.claimed_until < now, _C.claimed_by == self._who))
        return or_(_C.state == PENDING, lapsed)

    async def _change(self, entry: Entry, **values: Any) -> None:
        statement = update(OUTBOX).where(_C.id == entry.id, _C.state.in_((PENDING, CLAIMED))).values(**values)
        await self._database.write(lambda connection: connection.execute(statement))


async def _rows(connection: AsyncConnection, statement: Any) -> Sequence[Row[Any]]:
    return (await connection.execute(statement)).fetchall()


def _always(value: bool) -> ColumnElement[bool]:  # noqa: FBT001 - the value is what it makes
    return _C.id == _C.id if value else _C.id != _C.id


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "channel": clean(entry.channel),
        "alert": clean(entry.alert),
        "position": entry.position,
        "state": SENT if entry.settled else PENDING,
        "payload": clean(entry.payload),
        "created_at": entry.created_at,
        "due_at": entry.due_at,
        "attempts": entry.attempts,
        "sent_at": entry.created_at if entry.settled else None,
    }


def _entry(row: Row[Any]) -> Entry:
    values = row._mapping  # noqa: SLF001 - its public name
    return Entry(
        id=values["id"],
        channel=values["channel"],
        alert=values["alert"],
        also=_also(values["payload"]),
        position=values["position"],
        payload=values["payload"],
        created_at=values["created_at"],
        due_at=values["due_at"],
        attempts=values["attempts"],
        error=values["error"] or "",
        lost=values["state"] == FAILED,
    )


def _also(payload: str) -> frozenset[str]:
    """The alerts a kept message speaks of; one of another version speaks of none."""
    try:
        return spoken_of(loads(payload).notice)
    except ValueError:
        return frozenset()
