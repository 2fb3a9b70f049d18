"""What an emulator is, told from its witnesses: one table of data, and the first row that fits wins.

The witnesses are the console (which sees the window handles of its own session, and can be wrong about instances that
run), the processes and ports of the host, and the guest itself. No witness alone declares an emulator down while
another says it lives; a witness that could not be asked contradicts nobody. An open port has no name on it: it speaks
for an emulator only where nobody could tell its processes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final

from monitor.model import EmulatorRun, Reason, Status


class ProcessSeen(enum.StrEnum):
    """Which processes of an emulator its host lists."""

    BOTH = "both"
    """Window and virtual machine, or the one process of a product that has but one."""
    HALF = "half"
    """Window or virtual machine alone."""
    NONE = "none"


class GuestSeen(enum.StrEnum):
    """What the guest did when it was asked."""

    ANSWERS = "answers"
    COMPLAINS = "complains"
    """It answers, and something of it is not as it should be: the wrong app, a full disk, a still picture."""
    BOOTS = "boots"
    SILENT = "silent"
    REFUSES = "refuses"
    """Nobody listens on its ADB port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """All that is known of one emulator at one moment; None: that witness could not be asked, or nobody asked it."""

    console: EmulatorRun | None
    console_for: float = 0.0
    """Seconds the console has been saying so, or the emulator is known if it can't be asked."""
    process: ProcessSeen | None = None
    port: bool | None = None
    """Whether its ADB port is listened on, by itself as far as is known."""
    guest: GuestSeen | None = None
    expected: bool | None = None
    boot_limit: float = 240.0
    grace: bool = False
    """Whether it was told to start or stop less than its boot time ago."""

    @property
    def overdue(self) -> bool:
        """Whether a start that began when the console changed its mind should be over."""
        return self.console_for > self.boot_limit


@dataclass(frozen=True, slots=True)
class Truth:
    """The state of an emulator, whether that is well, and why."""

    state: str
    status: Status
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what each witness may say for it to fit (None: whatever it says)."""

    truth: Truth
    console: tuple[EmulatorRun | None, ...] | None = None
    process: tuple[ProcessSeen | None, ...] | None = None
    port: tuple[bool | None, ...] | None = None
    guest: tuple[GuestSeen | None, ...] | None = None
    expected: tuple[bool | None, ...] | None = None
    overdue: bool | None = None

    def fits(self, seen: Witnesses) -> bool:
        """Whether the witnesses say what this row is about."""
        return (
            (self.console is None or seen.console in self.console)
            and (self.process is None or seen.process in self.process)
            and (self.port is None or seen.port in self.port)
            and (self.guest is None or seen.guest in self.guest)
            and (self.expected is None or seen.expected in self.expected)
            and (self.overdue is None or seen.overdue is self.overdue)
        )


COMPLAINT: Final = "the guest complains"
"""Stands for the guest's own words."""

_RUN, _PROCESS, _GUEST = EmulatorRun, ProcessSeen, GuestSeen
_ALIVE: Final = (_GUEST.ANSWERS, _GUEST.COMPLAINS, _GUEST.BOOTS)


def _disagree(state: str, words: str) -> Truth:
    return Truth(state, Status.DEGRADED, Reason.WITNESSES_DISAGREE, f"witnesses disagree: {words}")


def _down(state: str, reason: Reason, words: str) -> Truth:
    return Truth(state, Status.DOWN, reason, words)


def _up(state: str, words: str = "") -> Truth:
    return Truth(state, Status.UP, None, words)


_UNASKED: Final = Truth("running", Status.DEGRADED, Reason.UNEXPECTED, "runs, expected to be stopped")
_STUCK: Final = _down("stuck_boot", Reason.TIMEOUT, "stuck while booting")
_ZOMBIE: Final = _down("zombie", Reason.UNEXPECTED, "only its window or only its virtual machine is left")
_FROZEN: Final = _down("frozen", Reason.OFFLINE, "it runs, and its guest is silent")
_STOPPED: Final = _down("stopped", Reason.UNEXPECTED, "stopped, expected to run")

TABLE: Final[tuple[Row, ...]] = (
    # The guest answers: it is alive, whatever the others say.
    Row(
        console=(_RUN.STOPPED,),
        guest=_ALIVE,
        truth=_disagree("running", "the console says stopped, the guest answers"),
    ),
    Row(
        console=(_RUN.DEGRADED,),
        guest=_ALIVE,
        truth=_disagree("running", "the console sees only half of it, the guest answers"),
    ),
    Row(
        process=(_PROCESS.NONE,),
        guest=_ALIVE,
        truth=_disagree("running", "the host lists no process of it, the guest answers"),
    ),
    Row(guest=(_GUEST.BOOTS,), overdue=True, truth=_STUCK),
    Row(guest=(_GUEST.BOOTS,), truth=_up("starting", "booting")),
    Row(guest=(_GUEST.ANSWERS, _GUEST.COMPLAINS), expected=(False,), truth=_UNASKED),
    Row(guest=(_GUEST.COMPLAINS,), truth=Truth("running", Status.DEGRADED, Reason.UNEXPECTED, COMPLAINT)),
    Row(console=(None,), guest=(_GUEST.ANSWERS,), truth=_up("running", "the guest answers")),
    Row(guest=(_GUEST.ANSWERS,), truth=_up("running")),
    # The console can't be asked: the host's processes are what is left.
    Row(
        console=(None,),
        process=(None,),
        truth=Truth("unknown", Status.UNKNOWN, Reason.SUPPRESSED, "nobody can be asked"),
    ),
    Row(console=(None,), process=(_PROCESS.HALF,), truth=_ZOMBIE),
    Row(console=(None,), process=(_PROCESS.BOTH,), guest=(_GUEST.SILENT,), overdue=True, truth=_FROZEN),
    Row(console=(None,), process=(_PROCESS.BOTH,), expected=(False,), truth=_UNASKED),
    Row(console=(None,), process=(_PROCESS.BOTH,), truth=_up("running", "its processes run")),
    Row(console=(None,), expected=(True,), truth=_STOPPED),
    Row(console=(None,), truth=_up("stopped")),
    # The console says stopped.
    Row(
        console=(_RUN.STOPPED,),
        process=(_PROCESS.BOTH,),
        truth=_disagree("running", "the console says stopped, its processes run"),
    ),
    Row(
        console=(_RUN.STOPPED,),
        process=(_PROCESS.HALF,),
        truth=_disagree("zombie", "the console says stopped, its window or its virtual machine is left"),
    ),
    # A login that is no administrator's sees no command lines, yet it sees the ports: that is all the life it can see.
    Row(
        console=(_RUN.STOPPED,),
        process=(None,),
        port=(True,),
        truth=_disagree("running", "the console says stopped, its ADB port is listened on"),
    ),
    # Console and processes know it by name and agree. The port may be another instance's or another product's, which
    # stay there: heeding it would hide a crash for as long, and call a neighbour that is stopped in disagreement.
    Row(
        console=(_RUN.STOPPED,),
        process=(_PROCESS.NONE,),
        port=(True,),
        expected=(True,),
        truth=_down("stopped", Reason.UNEXPECTED, "stopped, expected to run; another listens on its ADB port"),
    ),
    Row(
        console=(_RUN.STOPPED,),
        process=(_PROCESS.NONE,),
        port=(True,),
        truth=_up("stopped", "another listens on its ADB port"),
    ),
    Row(console=(_RUN.STOPPED,), expected=(True,), truth=_STOPPED),
    Row(console=(_RUN.STOPPED,), truth=_up("stopped")),
    # The console says it is starting.
    Row(console=(_RUN.STARTING,), overdue=True, truth=_STUCK),
    Row(console=(_RUN.STARTING,), expected=(False,), truth=_UNASKED),
    Row(console=(_RUN.STARTING,), truth=_up("starting", "booting")),
    # The console sees half of it.
    Row(
        console=(_RUN.DEGRADED,),
        process=(_PROCESS.BOTH,),
        truth=_disagree("running", "the console sees only half of it, the host lists both processes"),
    ),
    Row(console=(_RUN.DEGRADED,), truth=_ZOMBIE),
    # The console says it runs.
    Row(
        console=(_RUN.RUNNING,),
        process=(_PROCESS.NONE,),
        truth=_disagree("running", "the console says it runs, the host lists no process of it"),
    ),
    Row(console=(_RUN.RUNNING,), process=(_PROCESS.HALF,), truth=_ZOMBIE),
    Row(console=(_RUN.RUNNING,), expected=(False,), truth=_UNASKED),
    Row(
        console=(_RUN.RUNNING,), guest=(_GUEST.SILENT, _GUEST.REFUSES), overdue=False, truth=_up("starting", "booting")
    ),
    Row(console=(_RUN.RUNNING,), port=(True,), guest=(_GUEST.REFUSES,), truth=_FROZEN),
    Row(console=(_RUN.RUNNING,), guest=(_GUEST.REFUSES,), truth=_up("adb_off", "it runs, and ADB is switched off")),
    Row(
        console=(_RUN.RUNNING,),
        port=(False,),
        guest=(_GUEST.SILENT,),
        truth=_up("adb_off", "it runs, and does not listen on its ADB port"),
    ),
    Row(console=(_RUN.RUNNING,), guest=(_GUEST.SILENT,), truth=_FROZEN),
    Row(truth=_up("running")),
)


def judge(witnesses: Witnesses) -> Truth:
    """Tell the truth of one emulator: the first row that fits; within the grace of a command nothing is DOWN."""
    truth = next(row.truth for row in TABLE if row.fits(witnesses))
    if witnesses.grace and truth.status is Status.DOWN:
        return replace(truth, status=Status.UP, reason=None, message=f"{truth.message}; just told to start or stop")
    return truth
