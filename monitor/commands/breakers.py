"""``emuwatch breakers``: look at the breakers of the running service, force them, reset them.

Exit codes: 0 done, 2 wrong usage or config, or no such breaker, 3 the service could not be reached.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from monitor.client import Client, segment
from monitor.commands.service import DEFAULT_CONFIG, USAGE, ConfigPath, service
from monitor.terminal import cell, say

PARTS: Final = 3

app = typer.Typer(
    name="breakers", help="List, force and reset the breakers of the running service.", no_args_is_help=True
)

BreakerKey = Annotated[str, typer.Argument(metavar="KEY", help="category/workstation/scope, as `list` prints it.")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with the event.")]


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT_CONFIG,
    state: Annotated[str | None, typer.Option(help="Only these: open, half_open, closed or forced.")] = None,
) -> None:
    """List them, open ones first."""
    with service(config) as running:
        rows = list(_all(running, f"?state={segment(state)}" if state else ""))
    table = Table()
    for heading in ("breaker", "state", "next trial", "trips", "refused"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        key = "/".join(row["key"][part] for part in ("category", "workstation", "scope"))
        words = f"{row['state']} (forced {row['forced']})" if row["forced"] else row["state"]
        wait = row["retry_after_seconds"]
        trial = "" if wait is None else f"in {wait:.0f} s"
        table.add_row(cell(key), cell(words), trial, str(row["trips"]), str(row["rejections"]))
    Console().print(table)


@app.command("force-open")
def force_open(key: BreakerKey, reason: Why, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let nothing through until it is reset."""
    _act(config, key, "force-open", reason)


@app.command("force-close")
def force_close(key: BreakerKey, reason: Why, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let everything through, whatever fails, until it is reset."""
    _act(config, key, "force-close", reason)


@app.command()
def reset(key: BreakerKey, reason: Why, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Close it and forget force and failures."""
    _act(config, key, "reset", reason)


def _act(config: Path, key: str, action: str, reason: str) -> None:
    parts = key.split("/", PARTS - 1)
    if len(parts) != PARTS or not all(parts):
        say(f"{key!r} is no breaker; write category/workstation/scope, e.g. network/ws-01/ssh:22", err=True)
        raise typer.Exit(USAGE)
    path = "/".join(map(segment, parts))
    with service(config) as running:
        state = running.post(f"/api/v1/breakers/{path}/{action}", {"reason": reason, "who": getpass.getuser()})
    forced = f", forced {state['forced']}" if state["forced"] else ""
    say(f"{key}: {state['state']}{forced}")


def _all(running: Client, query: str) -> Iterator[dict[str, Any]]:
    path: str | None = f"/api/v1/breakers{query}"
    while path:
        page = running.get(path)
        yield from page["breakers"]
        path = page["next"]
