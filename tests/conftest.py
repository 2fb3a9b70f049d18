"""What every test lives under: nothing of ours may block the event loop, and hypothesis has named profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

from tests.postgres import Postgres, a_postgres

settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which code of ours, or what it calls, blocks a running event loop.

    Ask for the fixture to allow one place: ``blockbuster.functions["os.stat"].can_block_in("ssl.py", "load_cert")``.
    """
    with blockbuster_ctx("monitor") as guard:
        yield guard


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with a_postgres() as server:
        yield server


@pytest.fixture
def may_look_for_keys(blockbuster: BlockBuster) -> None:
    """Let asyncpg look for keys in ~/.postgresql before it connects, as libpq does: a few calls of stat."""
    for name in ("os.path.abspath", "os.stat"):
        blockbuster.functions[name].can_block_in(
            "asyncpg/connect_utils.py", {"_dot_postgresql_path", "_parse_connect_dsn_and_args"}
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database: whoever asks for it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db"
    request.getfixturevalue("may_look_for_keys")
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()
