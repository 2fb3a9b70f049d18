"""What happened, as an append-only stream: one line for each change that somebody may ask about later.

Pure but for `Stamp`, which numbers events and is given its clock and chance. The store keeps them, pages and the
command line show them; nothing is decided by them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from monitor.durations import parse
from monitor.model import SubjectKind, Transition

DIGITS: Final = 16
"""Of the moment an id begins with: microseconds, hexadecimal."""
LONGEST: Final = 2000
"""Characters of a message that are kept."""


class Kind(enum.StrEnum):
    """What an event is about."""

    WORKSTATION = "workstation"
    """The status of a workstation changed."""
    CHECK = "check"
    EMULATOR = "emulator"
    APPEARED = "appeared"
    """A console lists an emulator that it did not list before."""
    VANISHED = "vanished"
    REBOOTED = "rebooted"
    """A workstation or, with a subject, a guest was booted anew since it last answered."""
    TRIPPED = "tripped"
    """A breaker opened."""
    RECOVERED = "recovered"
    FORCED = "forced"
    """An operator holds a breaker open or closed."""
    RESET = "reset"
    OPERATION = "operation"
    """A lifecycle command was carried out, or failed."""
    SILENCE = "silence"
    """A silence or a maintenance window began, changed or ended."""
    NOTIFICATION = "notification"
    """A message was sent, or could not be."""
    RELOAD = "reload"
    """The config was read anew, or refused."""
    SERVICE = "service"
    """The monitor itself started or stopped, was cut off from the network or is back."""


STATUS_KINDS: Final = (Kind.WORKSTATION, Kind.CHECK, Kind.EMULATOR)
"""Kinds of which `old` and `new` are statuses: uptime is reckoned from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    id: str
    """Unique, and in the order in which events were noted."""
    at: float
    """Unix time."""
    kind: Kind
    workstation: str = ""
    """Empty when it is about the monitor itself."""
    subject: str = ""
    """What of the workstation: a check's name, an emulator's id, a breaker as ``category/scope``; or a channel,
    or what caused a reload."""
    old: str = ""
    new: str = ""
    message: str = ""
    """For people; may hold text from a host."""
    who: str = ""
    """The operator, when somebody did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which events; empty: all."""

    kinds: tuple[Kind, ...] = ()
    workstation: str = ""
    since: float | None = None
    """Unix time."""
    before: str = ""
    """Older than the event of this id: the next stretch."""
    limit: int = 200

    def admits(self, event: Event) -> bool:
        """Whether an event is one of those asked for; the limit is not looked at."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.workstation or event.workstation == self.workstation)
            and (self.since is None or event.at >= self.since)
            and (not self.before or event.id < self.before)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked for, the newest first."""

    events: tuple[Event, ...]
    complete: bool = True
    """False: the store could not be asked, so these are only those this process still holds."""


def since(text: str, now: float) -> float:
    """Read from when events are asked for: a span before now (``24h``), or a moment (RFC 3339).

    Raises:
        ValueError: It is neither; the message says what would be.

    """
    try:
        return now - parse(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r}: write a span such as 24h or 7d, or a moment such as 2026-01-31T08:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def moment_of(identity: str) -> float | None:
    """Return the Unix time at which the event of an id was noted; None: it is no such id."""
    digits = identity.partition("-")[0]
    try:
        return int(digits, 16) / 1_000_000 if len(digits) == DIGITS else None
    except ValueError:
        return None


class Stamp:
    """Gives events their ids: they sort by time, also where two happen at once or the clock is set back."""

    def __init__(self, *, wall: Callable[[], float], random: Callable[[], float]) -> None:
        """Number events of one process.

        Args:
            wall: Unix time.
            random: From 0 to 1; tells processes apart that share a store.

        """
        self._wall = wall
        self._random = random
        self._last = 0

    def event(  # noqa: PLR0913 - the fields of an event, by name
        self,
        kind: Kind,
        *,
        at: float | None = None,
        workstation: str = "",
        subject: str = "",
        old: str = "",
        new: str = "",
        message: str = "",
        who: str = "",
    ) -> Event:
        """Make an event of now, or of the moment `at`."""
        self._last = max(self._last + 1, int(self._wall() * 1_000_000))
        identity = f"{self._last:0{DIGITS}x}-{int(self._random() * 0xFFFFFFFF):08x}"
        return Event(
            id=identity,
            at=self._wall() if at is None else at,
            kind=kind,
            workstation=workstation,
            subject=subject,
            old=old,
            new=new,
            message=message[:LONGEST],
            who=who,
        )

    def changed(self, transition: Transition) -> Event:
        """Make the event of a status that changed."""
        return self.event(
            _KINDS[transition.kind],
            at=transition.at,
            workstation=transition.workstation,
            subject=transition.name,
            old=transition.old.value,
            new=transition.new.value,
            message=transition.message,
        )


_KINDS: Final = {
    SubjectKind.WORKSTATION: Kind.WORKSTATION,
    SubjectKind.CHECK: Kind.CHECK,
    SubjectKind.EMULATOR: Kind.EMULATOR,
}
