"""What the web side is given, as protocols: it pulls beliefs and breakers per request and owns none of them.

Nothing here does anything; `monitor.web.routes` wires it into an application.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web

from monitor.breaker.permit import BreakerState
from monitor.events import Asked, Found
from monitor.feed import Feed
from monitor.isolation import Reached
from monitor.metrics import Scrapes
from monitor.model import Key, Workstation, WorkstationState
from monitor.silences import Purpose, Silence
from monitor.web.rows import BARE, Overlay, Overlays


class Beliefs(Protocol):
    """The fleet, as far as a page reads it."""

    def snapshot(self) -> tuple[WorkstationState, ...]:
        """Return what is believed of every workstation, ordered by id."""

    def workstation(self, name: str, /) -> WorkstationState | None:
        """Return what is believed of one workstation; None: no such id."""


class EventSource(Protocol):
    """What happened."""

    async def find(self, asked: Asked) -> Found:
        """Return the events asked for, the newest first."""


class Action(enum.StrEnum):
    """What an operator may do to a breaker."""

    FORCE_OPEN = "force-open"
    FORCE_CLOSE = "force-close"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A lifecycle command that was carried out, or failed."""

    name: str
    """start, stop, restart, create, delete, rename."""
    emulator: str
    """Empty when there is none, as of a creation that failed."""
    outcome: str
    message: str
    who: str


class Operator(Protocol):
    """Whoever carries out an operator's actions."""

    def act(self, key: Key, action: Action, *, who: str, why: str) -> BreakerState | None:
        """Act on a breaker and return its state; None: there is no such breaker."""

    def told(self, workstation: str, emulator: str) -> bool:
        """Take note that an emulator was told to start or stop; False: there is no such emulator."""

    def carried_out(self, workstation: str, operation: Operation) -> bool:
        """Remember what was done to an emulator; False: there is no such workstation."""


class SilenceTable(Protocol):
    """Silences and windows of maintenance."""

    def each(self) -> Iterable[Silence]:
        """Return all that are known, the latest made first."""

    def over(self, workstation: Workstation, purpose: Purpose, /) -> Silence | None:
        """Return one that is active and covers a workstation as a whole; None: there is none."""

    async def add(self, silence: Silence, /) -> bool:
        """Take one from now on; return whether it is kept over a restart already."""

    async def end(self, identity: str, /, *, who: str, why: str) -> Silence | None:
        """End one before its time and return it; None: there is no such.

        Raises:
            StandingError: It stands in the config, and goes on as long as it stands there.

        """


class BreakerTable(Protocol):
    """All breakers."""

    def items(self) -> Iterable[BreakerState]:
        """Return what is known of every breaker."""


class Channel(Protocol):
    """A channel of notifications, as a page shows it."""

    @property
    def name(self) -> str:
        """Unique."""

    @property
    def kind(self) -> str:
        """What it is: webhook, apprise, alertmanager."""

    @property
    def since(self) -> float | None:
        """Unix time since which it is as it is."""

    @property
    def problem(self) -> str:
        """Why nothing can be told by it; empty while it is well."""

    @property
    def permanent(self) -> bool:
        """Whether it stays so until somebody changes the config."""

    @property
    def pending(self) -> int:
        """How many messages wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """How the monitor itself is doing."""

    started_at: float
    """Unix time."""
    ready: bool
    version: str
    shard: str = ""
    """``I/N`` when this process watches a share of the fleet."""
    store_problem: str = ""
    """Why nothing can be remembered now; empty while the store is well."""
    store_since: float | None = None
    """Unix time since which; None: there is no store."""
    reached: Reached | None = None
    """Whether we reach the network; None: no gateway is configured, so nobody knows."""
    channels: tuple[Channel, ...] = ()
    """Those by which nothing can be told now."""
    last_reload_ok: bool | None = None
    """None: never reloaded."""
    last_reload_at: float | None = None
    last_reload_problems: tuple[str, ...] = ()
    """What was wrong with the config that was refused; holds no secret."""
    needs_restart: tuple[str, ...] = ()
    """Keys of the config whose new values wait for a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything a handler may use; one per application."""

    fleet: Beliefs
    breakers: BreakerTable
    scrapes: Scrapes
    token: str = field(repr=False)
    reload: Callable[[str], Awaitable[None]]
    status: Callable[[], ServiceStatus]
    wall: Callable[[], float]
    refresh: int
    """Seconds after which a page reloads itself; 0: never."""
    silences: SilenceTable | None
    """None: this application knows of none."""
    events: EventSource | None
    """None: this application remembers nothing."""
    feed: Feed | None
    """None: it tells of nothing as it happens."""
    operator: Operator | None
    """None: this application only shows."""
    external_url: str | None
    """How operators reach the service when it is not how it sees itself (a proxy)."""


def overlays(silences: SilenceTable | None, states: Iterable[WorkstationState]) -> Overlays:
    """Return what covers each workstation; those that nothing covers are left out."""
    if silences is None:
        return {}
    found = {
        state.workstation.id: Overlay(
            silences.over(state.workstation, Purpose.MAINTENANCE), silences.over(state.workstation, Purpose.SILENCE)
        )
        for state in states
    }
    return {name: overlay for name, overlay in found.items() if overlay != BARE}


SOURCES: Final = web.AppKey("sources", Sources)
