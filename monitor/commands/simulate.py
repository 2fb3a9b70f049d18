"""``emuwatch simulate``: a simulated farm without a monitor, and faults by command, to drill your own alerts.

Writes a config that watches the farm; ``--with`` takes your own notifications, silences and gateways along. Exit codes:
0 ended by ``quit``, end of input or Ctrl-C, 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
import yaml

from monitor import signals
from monitor.simulator.drill import MeaninglessError, carry_out, intervals, usage
from monitor.simulator.farm import INTERVAL, OPEN_TIME, Farm
from monitor.terminal import say

USAGE: Final = 2
OURS: Final = frozenset({"workstations", "credentials", "templates", "inventory_files"})
"""Keys of another config that are the simulated farm's own."""


def simulate(
    config: Annotated[Path, typer.Argument(help="Where to write the config that watches the farm.")],
    workstations: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 8,
    emulators: Annotated[int, typer.Option(min=0, max=50, help="How many on each.")] = 6,
    listen: Annotated[str, typer.Option(help="Where the monitor's page is to listen.")] = "127.0.0.1:9877",
    take: Annotated[
        Path | None, typer.Option("--with", help="A config to take everything from but the workstations.")
    ] = None,
) -> None:
    """Simulate a farm to drill your alerts with; type "help" for the faults there are."""
    try:
        own = yaml.safe_load(take.read_text(encoding="utf-8")) if take is not None else {}
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        _wrong(f"--with: {take} can't be read: {error}")
    if not isinstance(own, dict):
        _wrong(f"--with: {take} is no config")
    asyncio.run(_simulate(Farm(workstations, emulators), config, listen, own))


async def _simulate(farm: Farm, config: Path, listen: str, own: dict[str, Any]) -> None:
    async with farm:
        document = farm.config(listen=listen) | {key: value for key, value in own.items() if key not in OURS}
        await asyncio.to_thread(_write, config, document)
        say(f"{len(farm.workstations)} simulated workstations; {intervals(INTERVAL, OPEN_TIME)}.")
        say(f'Watch them with "emuwatch run -c {config}". Type faults here, "help" for a list, "quit" to end.')
        ended = asyncio.Event()
        _read_lines(lambda line: _obey(farm, line, ended))
        signals.listen(ended.set)
        await ended.wait()
    await asyncio.to_thread(config.unlink, missing_ok=True)


def _obey(farm: Farm, line: str | None, ended: asyncio.Event) -> None:
    """Carry out one line of input; None: there is no more."""
    if line is None or line.strip() == "quit":
        ended.set()
    elif line.strip() == "help":
        say("\n".join(usage()))
    elif line.strip():
        try:
            say(carry_out(farm, line))
        except MeaninglessError as error:
            say(str(error), err=True)


def _read_lines(heard: Callable[[str | None], None]) -> None:
    """Read standard input in a thread of its own: a terminal, a pipe and a file are all read the same way.

    The thread ends with the process: nothing else can take it out of a read.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(heard, line)
        loop.call_soon_threadsafe(heard, None)

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _write(path: Path, document: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _wrong(message: str) -> NoReturn:
    say(message, err=True)
    raise typer.Exit(USAGE)
