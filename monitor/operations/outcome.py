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
class Testimony:
    """What others say of an instance that the console calls stopped; seen from session 0 that can be wrong."""

    listed: bool = False
    """Whether the host told which processes it has; if not, none of them being there means nothing."""
    window: int = 0
    """The pid of its window; 0: none."""
    machine: int = 0
    """The pid of its virtual machine; 0: none."""
    listening: bool = False
    """Whether its ADB port listens, which it does before Android has started, and not at all with ADB switched off."""
    booted: bool = False
    """Whether its guest says that Android has started."""

    @property
    def run(self) -> EmulatorRun:
        """Whether it runs."""
        if self.booted:
            return EmulatorRun.RUNNING
        if self.listening or (self.window and self.machine):
            return EmulatorRun.STARTING
        return EmulatorRun.DEGRADED if self.window or self.machine else EmulatorRun.STOPPED

    @property
    def alive(self) -> bool:
        """Whether anything speaks for its running."""
        return self.run is not EmulatorRun.STOPPED

    def signs(self, port: int | None) -> str:
        """Say what speaks for its running, if anything does."""
        window = f"pid {self.window}" if self.window else "no window"
        machine = f"VM {self.machine}" if self.machine else "no VM"
        said = {
            f"its processes run ({window}, {machine})": self.window or self.machine,
            f"its port {port} listens": self.listening,
            "its Android has started": self.booted,
        }
        return ", ".join(words for words, true in said.items() if true)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An instance at one moment, by all witnesses asked."""

    row: Instance | None
    """What the console lists; None: it lists no such instance."""
    others: Testimony | None = None
    """What others say; None: nobody else was asked, because the console's word is enough."""

    @property
    def run(self) -> EmulatorRun | None:
        """Whether it runs, by the witness that knows better; None: there is no such instance."""
        if self.row is None:
            return None
        return self.row.run if self.others is None else self.others.run

    @property
    def window(self) -> bool:
        """Whether it has a window."""
        return self.row is not None and (self.row.pid > 0 or (self.others is not None and self.others.window > 0))

    def __str__(self) -> str:
        if self.row is None:
            return "not listed"
        if self.others is not None and self.others.alive:
            return f"{self.row.run}, but {self.others.signs(self.row.adb_port)}"
        if self.row.run is EmulatorRun.STOPPED:
            alone = self.others is not None and not self.others.listed
            return "stopped, by the word of the console alone" if alone else "stopped"
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
    def confirmed(self) -> bool:
        """Whether it is so by more than the word of a console that can be wrong."""
        others = self.after.others
        return others is None or others.listed or others.alive

    @property
    def emulator(self) -> str:
        """``ldplayer:<index>``."""
        return f"{NAME}:{self.index}"

    def __str__(self) -> str:
        subject = f"{self.emulator} {self.title!r}"
        if not self.changed:
            return f"{subject}: nothing to {self.operation}, it is {self.after}"
        return f"{subject}: {self.operation} done in {self.seconds:.1f} s; was {self.before}, is {self.after}"
