"""The same tests run on SQLite and on a real PostgreSQL, each test in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from monitor.store import Database
from tests.postgres import Postgres, a_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with a_postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def _asyncpg_looks_for_certificates(blockbuster: BlockBuster) -> None:
    """Before it connects, asyncpg looks whether there are keys in ~/.postgresql, as libpq does: a few calls of stat."""
    for name in ("os.path.abspath", "os.stat"):
        blockbuster.functions[name].can_block_in(
            "asyncpg/connect_utils.py", {"_dot_postgresql_path", "_parse_connect_dsn_and_args"}
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.open()
    yield database
    await database.aclose()
