"""The same tests run on SQLite and on a real PostgreSQL, each test in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from monitor.store import Database


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.open()
    yield database
    await database.aclose()
