"""``emuwatch events`` as a user runs it, on a store that a service wrote and left."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.breaker.registry import Breakers
from monitor.cli import app
from monitor.events import Kind
from monitor.fleet import Fleet
from monitor.store import Database, Memory

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
        ("reload", "refused", "ann"),
    ]
    assert told[0]["at"].endswith("Z")


def test_events__for_people__shows_no_control_characters(config: Path) -> None:
    wrote(config)
    ended = events(config, "--kind", "reload")
    assert "refused" in ended.stdout
    assert "started" not in ended.stdout
    assert "\x1b[31m" not in ended.stdout


def test_events__no_store_yet__exits_3_and_makes_none(config: Path) -> None:
    ended = events(config)
    assert (ended.exit_code, ended.stderr) == (3, "the store can't be read: there is none yet\n")
    assert list((config.parent / "data").iterdir()) == []


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--kind", "colour"), ("--limit", "0")])
def test_events__wrong_usage__exits_2(config: Path, arguments: tuple[str, str]) -> None:
    assert events(config, *arguments).exit_code == 2
