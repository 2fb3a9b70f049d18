"""What an operation comes to: a `Done` that says what was seen, or an `OperationError` that says why nothing was done.

An operation that was tried and not seen to work is a `ProbeError` instead, of the layer that failed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from monitor.emulators.ldplayer import NAME, Instance
from monitor.errors import EmuwatchError
from monitor.model import EmulatorRun

LEASE: Final = 600.0
"""Seconds an operation may hold the trial of its breaker before another caller gets its place."""
LONGEST: Final = 600.0
"""The longest deadline there is."""


class OperationError(EmuwatchError):
    """What was asked for can't be done, and nothing was changed; it says nothing about any layer."""


class NobodyLoggedOnError(OperationError):
    """The workstation has no interactive session, and without one no emulator starts or stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds each step may take, from sending it to having seen its effect."""

    command: float = 30.0
    """One command, its connection included. The console itself can block for tens of seconds."""
    start: float = 240.0
    stop: float = 60.0
    """From the request to the end of the machine's process, which outlives the window by some seconds."""
    create: float = 300.0
    """A copy is several gigabytes."""
    delete: float = 60.0
    rename: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if not 0 < seconds <= LONGEST:
                raise ValueError(f"{field.name} must be more than 0 and at most {LONGEST:g} seconds, is {seconds!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An instance at one moment, by all witnesses asked."""

    row: Instance | None
    """What the console lists; None: it lists no such instance."""
    listening: bool = False
    """Whether its ADB port listens though the console calls it stopped; seen from session 0 that can be wrong."""

    @property
    def run(self) -> EmulatorRun | None:
        """Whether it runs, by the witness that knows better; None: there is no such instance."""
        if self.row is None:
            return None
        return EmulatorRun.RUNNING if self.listening else self.row.run

    def __str__(self) -> str:
        if self.row is None:
            return "not listed"
        if self.listening:
            return f"{self.row.run}, but its port {self.row.adb_port} listens"
        if self.row.run is EmulatorRun.STOPPED:
            return "stopped"
        window = f"pid {self.row.pid}" if self.row.pid > 0 else "no window"
        machine = f"VM {self.row.vbox_pid}" if self.row.vbox_pid > 0 else "no VM"
        return f"{self.row.run} ({window}, {machine})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An operation whose effect was seen."""

    operation: str
    index: int
    title: str
    before: Seen
    after: Seen
    changed: bool
    """False: it was so already, and nothing was sent."""
    seconds: float

    @property
    def emulator(self) -> str:
        """``ldplayer:<index>``."""
        return f"{NAME}:{self.index}"

    def __str__(self) -> str:
        subject = f"{self.emulator} {self.title!r}"
        if not self.changed:
            return f"{subject}: nothing to {self.operation}, it is {self.after}"
        return f"{subject}: {self.operation} done in {self.seconds:.1f} s; was {self.before}, is {self.after}"
