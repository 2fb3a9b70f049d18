"""One database: opened and brought up to date, one transaction at a time, and never waited for without end.

Works the same on SQLite (a file, WAL, one writer) and PostgreSQL. Whatever goes wrong leaves as a `StoreError` that
says so in words. Work that takes too long is left to end by itself, because a thread inside SQLite can't be called
back; until it has, nothing else is tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from monitor.store.failures import FOREIGN, StoreError, store_error
from monitor.store.migrations import Migrations

BUSY: Final = 2.0
"""Seconds SQLite waits for another program's lock."""
ANSWER: Final = 10.0
"""Seconds within which the store must have answered."""
_LOCK: Final = 0x656D7577
"""The advisory lock under which PostgreSQL's schema is changed: two shards may start at once."""

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]


class Database:
    """Opened by `open`, and again after trouble; `read` and `write` run work in a transaction each."""

    def __init__(self, url: str, *, busy: float = BUSY, answer: float = ANSWER) -> None:
        """Keep where it is.

        Args:
            url: ``sqlite+aiosqlite:///FILE`` or ``postgresql+asyncpg://...``; may hold a password: it is never shown.
            busy: Seconds SQLite waits for another program's lock.
            answer: Seconds within which work must be done.

        """
        self._url = make_url(url)
        self._busy = busy
        self._answer = answer
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()
        self._late: set[asyncio.Task[Any]] = set()
        self._orphans: set[asyncio.Task[Any]] = set()
        """Work whose asker was cancelled."""
        self._place: tuple[int, int] | None = None
        self._foreign: tuple[type[BaseException], ...] = FOREIGN

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self._url.database) if self._url.get_backend_name() == "sqlite" and self._url.database else None

    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            StoreError: It can't be; call again later.

        """
        await self.aclose()
        try:
            self._engine, migrations = await asyncio.to_thread(self._make)
        except OSError as error:
            raise store_error(error) from error

        async def migrate(connection: AsyncConnection) -> None:
            if self.file is None:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(migrations.upgrade)

        try:
            await self.write(migrate, anywhere=True)
        except BaseException:
            await self.aclose()
            raise
        self._place = await asyncio.to_thread(_place, self.file)

    async def look(self) -> None:
        """Connect to read, and change nothing: not even the schema, which must be the newest.

        Raises:
            StoreError: There is no store, or not one this version, or this user, can read.

        """
        try:
            if self.file is not None and not await asyncio.to_thread(self.file.is_file):
                raise StoreError("there is none yet")
            self._engine, migrations = await asyncio.to_thread(self._make, reads=True)
        except OSError as error:
            raise store_error(error) from error

        async def check(connection: AsyncConnection) -> None:
            await connection.run_sync(migrations.check)

        await self.read(check)

    async def read(self, work: Work[T]) -> T:
        """Run work that only reads.

        Raises:
            StoreError: It could not be done, or not in time.

        """
        return await self._in_time(self._transact(work, writes=False))

    async def write(self, work: Work[T], *, anywhere: bool = False) -> T:
        """Run work that writes, alone, and commit it.

        Args:
            work: What to do with the connection.
            anywhere: Do not look whether the file is still the one that was opened.

        Raises:
            StoreError: Nothing was written, or (when it took too long) nobody knows.

        """

        async def alone() -> T:
            async with self._writing:
                if not anywhere and await asyncio.to_thread(_place, self.file) != self._place:
                    raise StoreError("the database file is gone")
                return await self._transact(work, writes=True)

        return await self._in_time(alone())

    async def aclose(self) -> None:
        """Let go of every connection; what still runs ends by itself."""
        engine, self._engine = self._engine, None
        if self._late or self._orphans:
            await asyncio.wait({*self._late, *self._orphans}, timeout=1.0)
        if engine is not None:
            with suppress(*self._foreign, TimeoutError):
                async with asyncio.timeout(self._answer):
                    await engine.dispose()

    async def _transact(self, work: Work[T], *, writes: bool) -> T:
        if self._engine is None:
            raise StoreError("not open")
        try:
            async with self._engine.execution_options(emuwatch_writes=writes).begin() as connection:
                return await work(connection)
        except self._foreign as error:
            raise store_error(error) from error

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        if self._late:
            work.close()
            raise StoreError("still no answer")
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task}, timeout=self._answer)
        except asyncio.CancelledError:  # who asked is gone; the store is no slower for it
            self._outlive(task, self._orphans)
            raise
        if not task.done():
            self._outlive(task, self._late)
            raise StoreError(f"no answer within {self._answer:g} s")
        return task.result()

    @staticmethod
    def _outlive(task: asyncio.Task[Any], among: set[asyncio.Task[Any]]) -> None:
        """Keep a task that nobody waits for until it ends by itself."""

        def ended(task: asyncio.Task[Any]) -> None:
            among.discard(task)
            if not task.cancelled():
                task.exception()  # heard, so that nobody complains that it was not

        if not task.done():
            among.add(task)
        task.add_done_callback(ended)

    def _make(self, *, reads: bool = False) -> tuple[AsyncEngine, Migrations]:
        """Build the engine; reads modules and touches the file, so it runs in a thread."""
        if self.file is None:
            engine = _postgres(self._url, self._answer)
            import asyncpg  # noqa: PLC0415 - an extra

            self._foreign = (*FOREIGN, asyncpg.PostgresError, asyncpg.InterfaceError)
        elif reads:
            place = self._url.set(database=self.file.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
            engine = _sqlite(place, self._busy)
        else:
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            engine = _sqlite(self._url, self._busy)
            _settle(engine)
        return engine, Migrations()


def _place(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgres(url: URL, answer: float) -> AsyncEngine:
    wanted = {
        "timeout": min(5.0, answer),
        "command_timeout": answer,
        "server_settings": {"application_name": "emuwatch"},
    }
    return create_async_engine(
        url, pool_size=3, max_overflow=2, pool_pre_ping=True, hide_parameters=True, connect_args=wanted
    )


def _sqlite(url: URL, busy: float) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=3, max_overflow=2, hide_parameters=True, connect_args={"timeout": busy})

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # the driver's own class
        connection.isolation_level = None  # the driver begins no transactions of its own, which leave DDL out

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("emuwatch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _settle(engine: AsyncEngine) -> None:
    """Have SQLite keep a log of what is written, so that readers and the writer do not wait for each other."""

    @event.listens_for(engine.sync_engine, "connect")
    def settings(connection: Any, _: object) -> None:  # the driver's own class
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA {setting}")
            cursor.close()
