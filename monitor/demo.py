"""The demonstration: a simulated farm, the real monitor watching it, and a story of faults, on one screen.

Nothing of the monitor is special here but its config (short times). On a terminal the summary is redrawn in place;
elsewhere, or when asked for, one plain line is printed for each change.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from monitor import log
from monitor.app import ListenError, Service
from monitor.breaker.machine import EventKind, State
from monitor.breaker.permit import BreakerEvent, BreakerState
from monitor.config import load_text
from monitor.model import Status, WorkstationState
from monitor.signals import listen
from monitor.simulator.farm import INTERVAL, OPEN_TIME, Farm
from monitor.simulator.story import Caption, Story
from monitor.terminal import cell, clean, say

ADDRESS_TAKEN: Final = 2
REDRAW: Final = 0.5
"""Seconds between two looks at the fleet."""
TOLD: Final = 4
"""Captions that stay on the screen."""
OPEN_SHOWN: Final = 4
"""Breakers the screen has room for."""

_STYLES: Final = {Status.UP: "green", Status.DEGRADED: "yellow", Status.DOWN: "bold red", Status.UNKNOWN: "magenta"}
_EDGES: Final = {EventKind.OPENED: "tripped", EventKind.REOPENED: "trial failed", EventKind.CLOSED: "recovered"}


def demo(*, port: int = 9877, plain: bool = False) -> int:
    """Run the demonstration until SIGINT or SIGTERM.

    Args:
        port: Where the page listens, on 127.0.0.1.
        plain: Print lines even on a terminal.

    Returns:
        The exit code: 0, or 2 when the port is taken.

    """
    console = Console()
    log.configure(style="console", level="error")
    try:
        asyncio.run(_demonstrate(console, port=port, plain=plain or not console.is_terminal))
    except ListenError as error:
        say(f"{error}; choose another port with --port", err=True)
        return ADDRESS_TAKEN
    except KeyboardInterrupt:  # struck before the loop took over the signals
        pass
    return 0


async def _demonstrate(console: Console, *, port: int, plain: bool) -> None:
    ended = asyncio.Event()
    listen(ended.set)
    async with Farm() as farm:
        text = farm.config_yaml(listen=f"127.0.0.1:{port}")
        service = await asyncio.to_thread(lambda: Service(load_text(text, name="demo")))
        try:
            await service.start()
            show = Lines(service, console) if plain else Screen(service, console)
            await _until(ended, Story(farm, tell=show.tell).run(), show.run())
        finally:
            await service.stop()


async def _until(ended: asyncio.Event, *parts: Coroutine[None, None, None]) -> None:
    """Run the parts until the end is asked for; one that fails ends the others and the demonstration."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        await ended.wait()
        for task in tasks:
            task.cancel()


class Lines:
    """One plain line for each change."""

    def __init__(self, service: Service, console: Console) -> None:
        self._service = service
        self._console = console
        self._began = time.monotonic()
        self._known: dict[str, Status] = {}
        service.breakers.subscribe(self._breaker)

    def tell(self, caption: Caption) -> None:
        """Print what has just been done to the farm."""
        self._print(f"* {caption.text}")

    async def run(self) -> None:
        """Print every change of a workstation and every trip, forever."""
        for words in _introduction(self._service.url):
            self._console.print(Text(words), soft_wrap=True)
        while True:
            self.look()
            await asyncio.sleep(REDRAW)

    def look(self) -> None:
        """Print what has changed since the last look; a first "up" is no news, an emulator nobody can ask is none."""
        for state in self._service.fleet.snapshot():
            name = state.workstation.id
            self._compare(name, state.status, f"{state.status}: {state.message}")
            for emulator in state.emulators:
                if emulator.status is not Status.UNKNOWN:
                    words = f"{emulator.state}: {emulator.message}"
                    self._compare(f"{name} {emulator.id}", emulator.status, words)

    def _compare(self, name: str, status: Status, words: str) -> None:
        if status is Status.UNKNOWN and name not in self._known:
            return
        before = self._known.get(name, Status.UP)
        self._known[name] = status
        if status is not before:
            self._print(f"{name} {words}".removesuffix(": "))

    def _breaker(self, event: BreakerEvent) -> None:
        if event.kind in _EDGES:
            trial = f", next trial in {event.retry_after:.0f} s" if event.retry_after else ""
            self._print(f"{event.key.workstation} breaker {event.key.scope} {_EDGES[event.kind]}{trial}")

    def _print(self, words: str) -> None:
        at = Caption(time.monotonic() - self._began, clean(words))
        self._console.print(Text(str(at)), soft_wrap=True)


class Screen:
    """A summary redrawn in place."""

    def __init__(self, service: Service, console: Console) -> None:
        self._service = service
        self._console = console
        self._captions: deque[Caption] = deque(maxlen=TOLD)

    def tell(self, caption: Caption) -> None:
        """Keep what has just been done to the farm."""
        self._captions.append(caption)

    async def run(self) -> None:
        """Redraw forever."""
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            while True:
                live.update(self.draw(), refresh=True)
                await asyncio.sleep(REDRAW)

    def draw(self) -> Group:
        """The screen as of now."""
        breakers = list(self._service.breakers.items())
        return Group(
            *(Text(words, style="dim") for words in _introduction(self._service.url)),
            _workstations(self._service.fleet.snapshot(), breakers, time.time()),
            *_breakers(breakers),
            Text("Story", style="bold"),
            *(Text(f"  {caption}") for caption in self._captions or [Caption(0, "all is well")]),
        )


def _introduction(url: str) -> Iterator[str]:
    yield f"Emuwatch demo: 8 simulated workstations. Page: {url}  Ctrl-C ends it."
    yield f"Times are short here: checks every {INTERVAL:g} s, breakers open for {OPEN_TIME:g} s."


def _workstations(states: Sequence[WorkstationState], breakers: Sequence[BreakerState], now: float) -> Table:
    table = Table(box=None, pad_edge=False, expand=True)
    for heading in ("workstation", "status", "for", "emulators", "trial in"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for state in states:
        running = sum(emulator.state == "running" for emulator in state.emulators)
        trials = [b.retry_after for b in breakers if b.key.workstation == state.workstation.id and b.retry_after]
        table.add_row(
            Text(state.workstation.id),
            Text(state.status.value, style=_STYLES[state.status]),
            Text("" if state.since is None else _span(now - state.since)),
            Text(f"{running} of {len(state.emulators)} run" if state.emulators else "not known yet"),
            Text(f"{min(trials):.0f} s" if trials else ""),
            cell(state.message),
        )
    return table


def _breakers(breakers: Sequence[BreakerState]) -> Iterator[Text]:
    """The breakers that are not closed, as far as there is room, and how many trips there were."""
    trips = sum(breaker.trips for breaker in breakers)
    guarding = [breaker for breaker in breakers if breaker.state is not State.CLOSED]
    yield Text(f"Breakers: {len(guarding)} of {len(breakers)} open, {trips} trips so far", style="bold")
    for breaker in guarding[:OPEN_SHOWN]:
        trial = (
            "one trial is on its way" if breaker.trial_running else f"next trial in {breaker.retry_after or 0:.0f} s"
        )
        yield Text(f"  {breaker.key}: {trial}", style="red")
    if len(guarding) > OPEN_SHOWN:
        yield Text(f"  and {len(guarding) - OPEN_SHOWN} more", style="red")


def _span(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"
