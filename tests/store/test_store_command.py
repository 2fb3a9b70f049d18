"""``emuwatch events`` as a user runs it, on a store that a service wrote and left."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from typer.testing import CliRunner, Result

from monitor.breaker.registry import Breakers
from monitor.cli import app
from monitor.events import Kind, Stamp
from monitor.fleet import Fleet
from monitor.store import Database, Memory, StoreError
from monitor.store.history import append

CONFIG = "data_dir: data\nworkstations: [{id: ws-01, host: 127.0.0.1, checks: [{kind: tcp, port: 3389}]}]\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path / "config.yaml"


def wrote(config: Path) -> None:
    async def write() -> None:
        url = f"sqlite+aiosqlite:///{config.parent}/data/emuwatch.db"
        memory = Memory(Database(url), fleet=Fleet(), breakers=Breakers(), retention=86_400.0)
        await memory.start(lambda _: None)
        memory.note(Kind.SERVICE, new="started")
        memory.add(memory.stamp.event(Kind.REBOOTED, workstation="ws-01", message="runs since yesterday"))
        memory.note(Kind.RELOAD, new="refused", message="line 4\n\x1b[31mred", who="ann")
        await memory.aclose()

    asyncio.run(write())


def events(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["events", "-c", str(config), *arguments], env={"COLUMNS": "200"})


def test_events__json__is_one_object_a_line_oldest_first(config: Path) -> None:
    wrote(config)
    ended = events(config, "--since", "24h", "--json")
    assert ended.exit_code == 0
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(event["kind"], event["new"], event["who"]) for event in told] == [
        ("service", "started", ""),
        ("rebooted", "", ""),
        ("reload", "refused", "ann"),
    ]
    assert told[0]["at"].endswith("Z")


def test_events__for_people__shows_no_control_characters(config: Path) -> None:
    wrote(config)
    ended = events(config, "--kind", "reload")
    assert "refused" in ended.stdout
    assert "started" not in ended.stdout
    assert "\x1b[31m" not in ended.stdout


def test_events__of_reboots__are_shown_where_and_since_when(config: Path) -> None:
    wrote(config)
    ended = events(config, "--kind", "rebooted")
    assert "ws-01" in ended.stdout
    assert "runs since yesterday" in ended.stdout
    assert "refused" not in ended.stdout


def test_events__no_store_yet__exits_3_and_makes_none(config: Path) -> None:
    ended = events(config)
    assert (ended.exit_code, ended.stderr) == (3, "the store can't be read: there is none yet\n")
    assert list((config.parent / "data").iterdir()) == []


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--kind", "colour"), ("--limit", "0")])
def test_events__wrong_usage__exits_2(config: Path, arguments: tuple[str, str]) -> None:
    assert events(config, *arguments).exit_code == 2


def test_events__store_this_user_may_not_look_at__exits_3(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    ended = events(config)
    assert (ended.exit_code, ended.stderr) == (3, "the store can't be read: can't be reached: Permission denied\n")


def test_events__store_that_is_no_database__exits_3(config: Path) -> None:
    (config.parent / "data" / "emuwatch.db").write_text("no database" * 100)
    ended = events(config)
    assert (ended.exit_code, ended.stderr) == (3, "the store can't be read: the file is no SQLite database\n")


async def test_look__changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "a #1 & 50%.db"
    url = make_url("sqlite+aiosqlite://").set(database=str(place)).render_as_string()
    writer = Database(url)
    await writer.open()
    await writer.aclose()
    reader = Database(url)
    await reader.look()
    with pytest.raises(StoreError, match="read-only"):
        await reader.write(lambda connection: connection.execute(text("DELETE FROM events")), anywhere=True)
    await reader.aclose()


def many(config: Path, count: int) -> None:
    async def write() -> None:
        database = Database(f"sqlite+aiosqlite:///{config.parent}/data/emuwatch.db")
        await database.open()
        stamp = Stamp(wall=time.time, random=lambda: 0.0)
        made = [stamp.event(Kind.RELOAD, message=str(number)) for number in range(count)]
        await database.write(lambda connection: append(connection, made))
        await database.aclose()

    asyncio.run(write())


@pytest.mark.parametrize("count", [1999, 2000, 2001])
def test_events__json_without_a_limit__is_all_of_them(config: Path, count: int) -> None:
    many(config, count)
    ended = events(config, "--json")
    told = [int(json.loads(line)["message"]) for line in ended.stdout.splitlines()]
    assert (told, ended.stderr) == (list(range(count)), "")


@pytest.mark.parametrize(
    ("arguments", "first", "shown", "says"),
    [
        ((), 1, 1000, "only the latest 1000 are shown: say --limit, or --json for all\n"),
        (("--limit", "1001"), 0, 1001, ""),
        (("--limit", "10"), 991, 10, ""),
        (("--limit", "10", "--json"), 991, 10, ""),
    ],
)
def test_events__more_than_are_shown__says_so_unless_that_was_asked_for(
    config: Path, arguments: tuple[str, ...], first: int, shown: int, says: str
) -> None:
    many(config, 1001)
    ended = events(config, *arguments)
    numbers = [int(word) for word in re.findall(r"(?:\"message\": \"|│ )(\d+)(?:\"| +│)", ended.stdout)]
    assert (numbers[0], len(numbers), ended.stderr) == (first, shown, says)
