"""The events in the store: appended, found, and pruned in small steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import RowMapping, Select, and_, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.events import STATUS_KINDS, Asked, Event, Kind
from monitor.store.rows import clean
from monitor.store.tables import EVENTS

STEP: Final = 500
"""Events looked at in one step of a prune."""


async def append(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Write events; one that is there already is left as it is."""
    if not events:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [_row(event) for event in events]
    await connection.execute(insert(EVENTS).on_conflict_do_nothing(index_elements=["id"]), rows)


def _row(event: Event) -> dict[str, Any]:
    return {name: clean(value) if isinstance(value, str) else value for name, value in asdict(event).items()} | {
        "kind": event.kind.value
    }


async def find(connection: AsyncConnection, asked: Asked) -> list[Event]:
    """Read the events asked for, the newest first."""
    query = _wanted(asked).order_by(EVENTS.c.id.desc()).limit(asked.limit)
    return list(_known((await connection.execute(query)).mappings()))


async def following(connection: AsyncConnection, asked: Asked, after: str) -> tuple[list[Event], str | None]:
    """Read the events asked for that come after the one of an id, the oldest first, no more than `asked.limit`.

    Returns:
        They, and the id to go on after; None: that was all.

    """
    query = _wanted(asked).where(EVENTS.c.id > after).order_by(EVENTS.c.id).limit(asked.limit)
    rows = (await connection.execute(query)).mappings().all()
    return list(_known(rows)), rows[-1]["id"] if len(rows) == asked.limit else None


def _wanted(asked: Asked) -> Select[Any]:
    query = select(EVENTS)
    if asked.kinds:
        query = query.where(EVENTS.c.kind.in_([kind.value for kind in asked.kinds]))
    if asked.workstation:
        query = query.where(EVENTS.c.workstation == clean(asked.workstation))
    if asked.since is not None:
        query = query.where(EVENTS.c.at >= asked.since)
    if asked.before:
        query = query.where(EVENTS.c.id < clean(asked.before))
    return query


def _known(found: Iterable[RowMapping]) -> Iterable[Event]:
    """Read rows; one of a kind this version does not know is passed over."""
    kinds = {kind.value for kind in Kind}
    return (Event(**{**values, "kind": Kind(values["kind"])}) for values in found if values["kind"] in kinds)


async def prune(connection: AsyncConnection, cut_off: float, *, after: str = "", step: int = STEP) -> str | None:
    """Delete what is older than `cut_off` among the next `step` events after one.

    The last status of each subject before the cut-off stays: without it nobody could say how things stood at that
    moment, and a bar of the whole retention would begin with a hole.

    Returns:
        The id to go on after; None: that was all.

    """
    later = EVENTS.alias()
    followed = exists().where(
        and_(
            later.c.kind == EVENTS.c.kind,
            later.c.workstation == EVENTS.c.workstation,
            later.c.subject == EVENTS.c.subject,
            later.c.at < cut_off,
            or_(later.c.at > EVENTS.c.at, and_(later.c.at == EVENTS.c.at, later.c.id > EVENTS.c.id)),
        )
    )
    status = EVENTS.c.kind.in_([kind.value for kind in STATUS_KINDS])
    old = select(EVENTS.c.id, or_(~status, followed).label("gone")).where(EVENTS.c.at < cut_off, EVENTS.c.id > after)
    found = (await connection.execute(old.order_by(EVENTS.c.id).limit(step))).all()
    gone = [identity for identity, is_gone in found if is_gone]
    if gone:
        await connection.execute(delete(EVENTS).where(EVENTS.c.id.in_(gone)))
    return found[-1][0] if len(found) == step else None
