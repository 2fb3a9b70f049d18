"""``emuwatch emulators``: what is there, and starting, stopping, creating, renaming, deleting it; the effect is seen.

Exit codes: 0 done and seen, 1 tried and not seen, or the workstation can't, 2 wrong usage or config, or no such
emulator, 3 the workstation could not be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from monitor import log
from monitor.emulators.ldplayer import NAME, Instance
from monitor.errors import CircuitOpen, ConfigError, LocalError, ProbeError
from monitor.model import Category, EmulatorRun
from monitor.operations import NobodyLoggedOnError, OperationError, Workstation
from monitor.terminal import cell, say

FAILED: Final = 1
USAGE: Final = 2
UNKNOWN: Final = 3
INTERRUPTED: Final = 130

COLOURS: Final = {
    EmulatorRun.RUNNING: "green",
    EmulatorRun.STARTING: "yellow",
    EmulatorRun.STOPPED: "dim",
    EmulatorRun.DEGRADED: "red",
}

app = typer.Typer(
    name="emulators",
    help="List the emulators of a workstation, start, stop, restart, create, rename and delete them.",
    no_args_is_help=True,
)

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The config file.", show_default=True)]
WorkstationId = Annotated[str, typer.Argument(metavar="WORKSTATION", help="The id of a workstation.")]
Emulator = Annotated[str, typer.Argument(help="Its index (3 or ldplayer:3) or its exact title.")]
Title = Annotated[str, typer.Argument(help="The new title.")]
DEFAULT_CONFIG: Final = Path("config.yaml")


@app.command("list")
def list_(workstation: WorkstationId, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List the emulators, as the workstation's console sees them."""
    with _on(config, workstation) as ws:
        rows = ws.get_emulators_list()
    table = Table()
    for heading in ("emulator", "title", "state", "window", "machine", "adb port"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            f"{NAME}:{row.index}",
            cell(row.title),
            cell(row.run, COLOURS[row.run]),
            *(str(pid) if pid > 0 else "" for pid in (row.pid, row.vbox_pid)),
            str(row.adb_port or ""),
        )
    Console().print(table)


@app.command()
def start(workstation: WorkstationId, emulator: Emulator, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Start an emulator and wait until Android has started."""
    with _on(config, workstation) as ws:
        say(ws.start_emulator(emulator))


@app.command()
def stop(workstation: WorkstationId, emulator: Emulator, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Stop an emulator and wait until its machine has ended."""
    with _on(config, workstation) as ws:
        say(ws.stop_emulator(emulator))


@app.command()
def restart(workstation: WorkstationId, emulator: Emulator, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Stop an emulator, wait for its machine to end, start it."""
    with _on(config, workstation) as ws:
        say(ws.restart_emulator(emulator))


@app.command()
def create(
    workstation: WorkstationId,
    title: Title,
    copy_from: Annotated[str | None, typer.Option("--copy-from", help="The emulator to copy.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Create an emulator, as a copy of another if asked, and print what it is called from now on."""
    with _on(config, workstation) as ws:
        say(f"{NAME}:{ws.create_emulator(title, copy_from=copy_from)}")


@app.command()
def rename(workstation: WorkstationId, emulator: Emulator, title: Title, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Give an emulator another title."""
    with _on(config, workstation) as ws:
        say(ws.rename_emulator(emulator, title))


@app.command()
def delete(
    workstation: WorkstationId,
    emulator: Emulator,
    config: ConfigPath = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,  # noqa: FBT002 - a flag
    stop_first: Annotated[bool, typer.Option("--stop", help="Stop it first if it runs.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Delete an emulator and its disk, for good."""
    with _on(config, workstation) as ws:
        row = ws.find_emulator(emulator)
        if not yes:
            _confirm(workstation, row)
        say(ws.delete_emulator(row.index, stop=stop_first))


def _confirm(workstation: str, row: Instance) -> None:
    """Ask before something that can't be undone; no answer is no."""
    question = f"Delete {NAME}:{row.index} {row.title!r} ({row.run}) on {workstation}, with its disk, for good?"
    if not typer.confirm(question):
        say("nothing was deleted", err=True)
        raise typer.Exit(FAILED)


@contextmanager
def _on(config: Path, workstation: str) -> Iterator[Workstation]:
    """Work with a workstation, and turn what goes wrong into a sentence and an exit code."""
    log.configure(style="console", level="warning")
    try:
        with Workstation.from_config(config, workstation) as ws:
            yield ws
    except (CircuitOpen, ConfigError, LocalError, OperationError, ProbeError) as error:
        say(error, err=True)
        raise typer.Exit(_exit_code(error)) from None
    except KeyboardInterrupt:
        say("interrupted: what was sent may still take effect", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _exit_code(error: Exception) -> int:
    match error:
        case NobodyLoggedOnError():
            return FAILED
        case ConfigError() | OperationError():
            return USAGE
        case ProbeError(category=Category.EMULATOR | Category.EXTERNAL):
            return FAILED
    return UNKNOWN
