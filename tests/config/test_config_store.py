"""``store:``: where it is, and that its password stays in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.config import Config, load_text
from monitor.errors import ConfigError

ONE = "workstations: [{host: 192.168.0.50, checks: [{kind: tcp, port: 3389}]}]\n"
SECRET = "hunter2@/?#:%"


def loaded(store: str = "", environ: Mapping[str, str] | None = None) -> Config:
    return load_text(ONE + store, environ=environ or {}, base=Path("/etc/emuwatch"))


def refused(store: str, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(store, environ)
    return str(caught.value)


def test_store__nothing_said__is_a_file_in_data_dir_for_90_days() -> None:
    config = loaded("data_dir: state\n")
    assert config.store.url == "sqlite+aiosqlite:////etc/emuwatch/state/emuwatch.db"
    assert config.store.retention == 90 * 86_400.0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///memory.db", "sqlite+aiosqlite:////etc/emuwatch/memory.db"),
        ("sqlite:////var/lib/memory.db", "sqlite+aiosqlite:////var/lib/memory.db"),
        ("postgresql://db.example/farm", "postgresql+asyncpg://db.example/farm"),
        ("postgresql+asyncpg://me@[::1]:5433/farm?ssl=require", "postgresql+asyncpg://me@[::1]:5433/farm?ssl=require"),
        ("postgresql://me@${DB_HOST}/farm", "postgresql+asyncpg://me@Db.Example/farm"),
    ],
)
def test_store__url__becomes_that_of_the_async_driver(url: str, expected: str) -> None:
    assert loaded(f"store: {{url: '{url}'}}", {"DB_HOST": "Db.Example"}).store.url == expected


def test_store__password_from_the_environment__is_quoted_and_never_shown() -> None:
    config = loaded("store: {url: 'postgresql://me:${PW}@db/farm'}", {"PW": SECRET})
    assert config.store.url == "postgresql+asyncpg://me:hunter2%40%2F%3F%23%3A%25@db/farm"
    assert "hunter2" not in repr(config)


def test_store__whole_url_from_the_environment__is_taken_as_it_is() -> None:
    url = "postgres://me:hunter2@db:5432/farm"
    assert loaded("store: {url: '${URL}'}", {"URL": url}).store.url == "postgresql+asyncpg://me:hunter2@db:5432/farm"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@db/farm",
        "postgresql://me:x${PW}@db/farm",
        "postgresql://me@db/farm?password=hunter2",
        "postgresql://me:hunter2@/farm",
        "postgresql://me:hunter2@db:port/farm",
        "mysql://me:hunter2@db/farm",
        "hunter2",
    ],
)
def test_store__bad_url__is_refused_without_showing_it(url: str) -> None:
    message = refused(f"store: {{url: '{url}'}}", {"PW": "hunter2"})
    assert message.startswith("<text>:2: store.url: ")
    assert "hunter2" not in message


def test_store__retention__is_a_duration() -> None:
    assert loaded("store: {retention: 7d}").store.retention == 7 * 86_400.0
    assert "store.retention: must be 1d to 366d, not 1h" in refused("store: {retention: 1h}")
