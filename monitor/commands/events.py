"""``emuwatch events``: what happened, read from the store itself, so it also works while the service is down.

Exit codes: 0 shown, 2 wrong usage or config, 3 the store could not be read.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from monitor.config import load
from monitor.errors import ConfigError
from monitor.events import Asked, Event, Kind, since
from monitor.terminal import STEERING, cell, say

if TYPE_CHECKING:
    from monitor.store import Database

USAGE: Final = 2
UNREAD: Final = 3
MOST: Final = 1_000_000
SHOWN: Final = 1000
"""Events a table shows unless more are asked for, and those read at once."""


def events(
    span: Annotated[str, typer.Option("--since", help="How far back (24h, 7d), or from when (RFC 3339).")] = "24h",
    kind: Annotated[list[Kind] | None, typer.Option(help="Only these kinds; may be repeated.")] = None,
    workstation: Annotated[str, typer.Option(help="Only those of one workstation.")] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST, help=f"The latest so many. Default: {SHOWN}, with --json all.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,  # noqa: FBT002 - a flag
    config: Annotated[Path, typer.Option("--config", "-c", help="The config file.")] = Path("config.yaml"),
) -> None:
    """Show what happened, the oldest first."""
    try:
        url = load(config).store.url
        moment = since(span, time.time())
    except ConfigError as error:
        _end(str(error), USAGE)
    except ValueError as error:
        _end(f"--since: {error}", USAGE)
    asked = Asked(kinds=tuple(kind or ()), workstation=workstation, since=moment, limit=limit or SHOWN)
    if as_json and limit is None:
        asyncio.run(_each(url, asked))
        return
    found = asyncio.run(_latest(url, replace(asked, limit=asked.limit + 1)))
    more = len(found) > asked.limit
    found = found[: asked.limit][::-1]
    if as_json:
        _dump(found)
    else:
        _print(found)
    if more and limit is None:
        say(f"only the latest {asked.limit} are shown: say --limit, or --json for all", err=True)


async def _latest(url: str, asked: Asked) -> list[Event]:
    from monitor.store.history import find  # noqa: PLC0415 - the other commands start faster without

    async with _reading(url) as database:
        return await database.read(lambda connection: find(connection, asked))


async def _each(url: str, asked: Asked) -> None:
    """Print all of them, in stretches: a store may hold millions."""
    from monitor.store.history import following  # noqa: PLC0415 - the other commands start faster without

    async with _reading(url) as database:
        after: str | None = ""
        while after is not None:
            found, after = await database.read(partial(following, asked=asked, after=after))
            _dump(found)


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[Database]:
    from monitor.store import Database, StoreError  # noqa: PLC0415 - the other commands start faster without

    database = Database(url)
    try:
        await database.look()
        yield database
    except StoreError as error:
        _end(f"the store can't be read: {error}", UNREAD)
    finally:
        await database.aclose()


def _dump(found: Iterable[Event]) -> None:
    for event in found:
        say(_json(event))


def _print(found: list[Event]) -> None:
    table = Table()
    for heading in ("when", "kind", "workstation", "what", "change", "why", "who"):
        table.add_column(heading, overflow="fold")
    for event in found:
        change = " → ".join(filter(None, (event.old, event.new)))
        words = (_iso(event.at), event.kind.value, event.workstation, event.subject, change, event.message, event.who)
        table.add_row(*map(cell, words))
    Console().print(table)


def _json(event: Event) -> str:
    """One line of JSON; what would steer a terminal is escaped, as JSON can, so that nothing is lost."""
    text = json.dumps(asdict(event) | {"at": _iso(event.at)}, ensure_ascii=False)
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _end(message: str, code: int) -> NoReturn:
    say(message, err=True)
    raise typer.Exit(code)
