"""From what is remembered to rows and back, and the statements between. Knows both databases' ways of an upsert."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import RowMapping, Table, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.belief import Remembered
from monitor.breaker.machine import Forced
from monitor.breaker.saved import Order, Saved
from monitor.inventory import RememberedEmulator
from monitor.model import Category, EmulatorRun, Entity, Key, Reason, Status
from monitor.store.tables import BELIEFS, BREAKERS, EMULATORS

T = TypeVar("T")
Row = Mapping[str, Any]
Thing = Remembered | RememberedEmulator | Saved

_ENTITY: Final = frozenset(field.name for field in dataclasses.fields(Entity))
_BAD: Final = {0: "\N{REPLACEMENT CHARACTER}"}


@dataclass(frozen=True, slots=True)
class Past:
    """All that was remembered."""

    beliefs: tuple[Remembered, ...] = ()
    emulators: tuple[RememberedEmulator, ...] = ()
    breakers: tuple[Saved, ...] = ()

    def listed(self) -> Mapping[str, Sequence[Entity]]:
        """The emulators as the consoles listed them last, by workstation."""
        found: dict[str, list[Entity]] = {}
        for emulator in self.emulators:
            found.setdefault(emulator.workstation, []).append(emulator.entity)
        return found


def clean(text: str) -> str:
    """Return a text every database takes: without NUL (PostgreSQL), without halves of surrogate pairs."""
    return text.translate(_BAD).encode("utf-8", "replace").decode()


def table_of(thing: Thing) -> Table:
    """Where it is kept."""
    if isinstance(thing, Saved):
        return BREAKERS
    return BELIEFS if isinstance(thing, Remembered) else EMULATORS


def identity(thing: Thing) -> tuple[str, ...]:
    """Its primary key, in the order of the columns."""
    if isinstance(thing, Saved):
        return (thing.key.category.value, thing.key.workstation, thing.key.scope)
    if isinstance(thing, Remembered):
        return (thing.kind, thing.workstation, thing.name)
    return (thing.workstation, thing.entity.id)


def row(thing: Thing, at: float) -> Row:
    """Turn it into the values of its columns."""
    if isinstance(thing, Saved):
        values = _breaker_row(thing)
    else:
        values = _belief_row(thing) if isinstance(thing, Remembered) else _emulator_row(thing)
    return {name: clean(value) if isinstance(value, str) else value for name, value in values.items()} | {
        "written_at": at
    }


def _belief_row(belief: Remembered) -> Row:
    return {
        "kind": belief.kind,
        "workstation": belief.workstation,
        "name": belief.name,
        "status": belief.status.value,
        "since": belief.since,
        "reason": None if belief.reason is None else belief.reason.value,
        "message": belief.message,
        "driver": belief.driver,
    }


def _emulator_row(emulator: RememberedEmulator) -> Row:
    entity = emulator.entity
    details = {
        "entity": {**dataclasses.asdict(entity), "run": entity.run.value},
        "console": None if emulator.console is None else emulator.console.value,
        "console_since": emulator.console_since,
        "guests": dict(emulator.guests),
        "boot_seconds": emulator.boot_seconds,
    }
    return {
        "workstation": emulator.workstation,
        "emulator": entity.id,
        "driver": entity.driver,
        "title": entity.title,
        "state": emulator.state,
        "status": emulator.status.value,
        "since": emulator.since,
        "reason": None if emulator.reason is None else emulator.reason.value,
        "message": emulator.message,
        "first_seen": emulator.first_seen,
        "last_seen": emulator.last_seen,
        "details": json.dumps(details),
    }


def _breaker_row(saved: Saved) -> Row:
    order = saved.order
    return {
        "category": saved.key.category.value,
        "workstation": saved.key.workstation,
        "scope": saved.key.scope,
        "until": saved.until,
        "openings": saved.openings,
        "open_time": saved.open_time,
        "trips": saved.trips,
        "last_trip": saved.last_trip,
        "open_seconds": saved.open_seconds,
        "forced": None if saved.forced is None else saved.forced.value,
        "forced_who": order.who if order else None,
        "forced_why": order.why if order else None,
        "forced_at": order.at if order else None,
    }


async def load(connection: AsyncConnection) -> Past:
    """Read all that is remembered; a row of words this version does not know is passed over."""
    beliefs = (await connection.execute(select(BELIEFS))).mappings()
    emulators = (await connection.execute(select(EMULATORS))).mappings()
    breakers = (await connection.execute(select(BREAKERS))).mappings()
    return Past(
        beliefs=tuple(readable(beliefs, _belief)),
        emulators=tuple(readable(emulators, _emulator)),
        breakers=tuple(readable(breakers, _breaker)),
    )


def readable(found: Iterable[RowMapping], read: Callable[[RowMapping], T]) -> Iterator[T]:
    """Read each row; one of words this version does not know is passed over."""
    for values in found:
        try:
            yield read(values)
        except (KeyError, TypeError, ValueError):  # an older or newer version had other words
            continue


def _reason(word: str | None) -> Reason | None:
    return None if word is None else Reason(word)


def _belief(values: RowMapping) -> Remembered:
    return Remembered(
        kind=values["kind"],
        workstation=values["workstation"],
        name=values["name"],
        status=Status(values["status"]),
        since=values["since"],
        reason=_reason(values["reason"]),
        message=values["message"],
        driver=values["driver"],
    )


def _emulator(values: RowMapping) -> RememberedEmulator:
    details = json.loads(values["details"])
    entity = {name: value for name, value in details["entity"].items() if name in _ENTITY}
    entity |= {"run": EmulatorRun(entity["run"]), "pids": tuple(entity.get("pids", ()))}
    return RememberedEmulator(
        workstation=values["workstation"],
        entity=Entity(**entity),
        console=None if details["console"] is None else EmulatorRun(details["console"]),
        console_since=details["console_since"],
        state=values["state"],
        status=Status(values["status"]),
        since=values["since"],
        reason=_reason(values["reason"]),
        message=values["message"],
        guests=details["guests"],
        first_seen=values["first_seen"],
        last_seen=values["last_seen"],
        boot_seconds=details.get("boot_seconds"),  # not there before it was measured
    )


def _breaker(values: RowMapping) -> Saved:
    order = None
    if values["forced_at"] is not None:
        order = Order(values["forced_who"] or "", values["forced_why"] or "", values["forced_at"])
    return Saved(
        key=Key(Category(values["category"]), values["workstation"], values["scope"]),
        until=values["until"],
        openings=values["openings"],
        open_time=values["open_time"],
        trips=values["trips"],
        last_trip=values["last_trip"],
        open_seconds=values["open_seconds"],
        forced=None if values["forced"] is None else Forced(values["forced"]),
        order=order,
    )


async def upsert(connection: AsyncConnection, things: Iterable[Thing], at: float) -> None:
    """Write each, over what was there."""
    by_table: dict[Table, list[Row]] = {}
    for thing in things:
        by_table.setdefault(table_of(thing), []).append(row(thing, at))
    for table, rows in by_table.items():
        keys = [column.name for column in table.primary_key]
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table)
        fresh = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
        await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh), rows)


async def forget(connection: AsyncConnection, table: Table, identities: Iterable[tuple[str, ...]]) -> None:
    """Delete rows by primary key."""
    for values in identities:
        same = and_(*(column == clean(value) for column, value in zip(table.primary_key, values, strict=True)))
        await connection.execute(delete(table).where(same))
