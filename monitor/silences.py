"""Silences and windows of maintenance: whom they cover, and when. A silence tells nobody; maintenance is shown, too.

Both are one-off (from one moment to another) or repeated (by a cron line, in a time zone, for a while each time). Pure:
the time is passed in.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from monitor.model import NOTHING, SubjectKind, Workstation
from monitor.notices import ANY, Item, all_fit, fits

MINUTE: Final = 60.0


class Purpose(enum.StrEnum):
    """What it is for."""

    SILENCE = "silence"
    """Nobody is told; everything else is as ever."""
    MAINTENANCE = "maintenance"
    """Nobody is told, and pages and metrics show that somebody works on it."""


class Phase(enum.StrEnum):
    """How far it is."""

    ACTIVE = "active"
    PENDING = "pending"
    """It has not begun, or begins again."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchers:
    """Whom it covers: all of these must fit, by wildcards like those of a shell."""

    workstations: tuple[str, ...] = ANY
    sites: tuple[str, ...] = ANY
    subjects: tuple[str, ...] = ANY
    """Checks by name and emulators by id; other than `ANY`, the workstation itself is not covered."""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)

    def cover(self, item: Item) -> bool:
        """Whether an item is covered."""
        return (
            (self.subjects == ANY or (item.kind is not SubjectKind.WORKSTATION and fits(self.subjects, item.name)))
            and fits(self.workstations, item.workstation)
            and self._fit(item.site, item.labels)
        )

    def cover_workstation(self, workstation: Workstation) -> bool:
        """Whether a workstation is covered as a whole."""
        return (
            self.subjects == ANY
            and fits(self.workstations, workstation.id)
            and self._fit(workstation.site, workstation.labels)
        )

    def _fit(self, site: str, labels: Mapping[str, str]) -> bool:
        return fits(self.sites, site) and all_fit(self.labels, labels)

    def words(self) -> str:
        """Say whom it covers, in a line."""
        parts = [
            " ".join(self.workstations) if self.workstations != ANY else "",
            f"site {' '.join(self.sites)}" if self.sites != ANY else "",
            " ".join(f"{name}={pattern}" for name, pattern in self.labels.items()),
            f"only {' '.join(self.subjects)}" if self.subjects != ANY else "",
        ]
        return ", ".join(filter(None, parts)) or "everything"


@dataclass(frozen=True, slots=True)
class Span:
    """From one Unix time up to, but not including, another."""

    starts_at: float
    ends_at: float

    def phase(self, now: float) -> Phase:
        """Where in it a moment is."""
        if now >= self.ends_at:
            return Phase.ENDED
        return Phase.ACTIVE if now >= self.starts_at else Phase.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Over and over: begins when a cron line says so, and lasts. Making one may read the time zone from disk."""

    schedule: str
    """Five fields, as Debian's cron understands them."""
    duration: float
    """Seconds."""
    timezone: str = "UTC"
    """Of the tz database."""
    _zone: tzinfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look the time zone up, once."""
        object.__setattr__(self, "_zone", zone(self.timezone))

    def span(self, now: float) -> Span | None:
        """Return the span a moment is in, or the next one; None: it never begins again."""
        minute = now - now % MINUTE
        begins = self._begins(minute + MINUTE, reverse=True)  # the line may be true of this very minute
        if begins is None or now >= begins + self.duration:
            begins = self._begins(minute)
        return None if begins is None else Span(begins, begins + self.duration)

    def _begins(self, at: float, *, reverse: bool = False) -> float | None:
        """Return the Unix time at which the line is true next after a full minute, or last before it."""
        moment = datetime.fromtimestamp(at, self._zone)
        found = next(CronSim(self.schedule, moment, reverse=reverse), None)  # it looks 50 years far
        return None if found is None else found.timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence, or one window of maintenance."""

    id: str
    purpose: Purpose = Purpose.SILENCE
    name: str = ""
    matchers: Matchers
    when: Span | Repeat
    who: str
    why: str
    created_at: float
    """Unix time."""
    ended_at: float | None = None
    """Unix time at which somebody ended it before its time."""
    ended_by: str = ""
    configured: bool = False
    """Whether it is from the config: it goes on as long as it stands there."""

    def span(self, now: float) -> Span | None:
        """Return the span a moment is in, the next one, or the last one; None: it never begins again."""
        span = self.when if isinstance(self.when, Span) else self.when.span(now)
        if span is not None and self.ended_at is not None:
            return Span(span.starts_at, min(span.ends_at, max(span.starts_at, self.ended_at)))
        return span

    def phase(self, now: float) -> Phase:
        """How far it is."""
        span = None if self.ended_at is not None else self.span(now)
        return Phase.ENDED if span is None else span.phase(now)

    def until(self, now: float) -> float:
        """Return the moment at which its phase changes next; infinite for one that has ended."""
        span = None if self.ended_at is not None else self.span(now)
        if span is None or now >= span.ends_at:
            return float("inf")
        return span.starts_at if now < span.starts_at else span.ends_at

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.id


class Silences:
    """All that are known. What is active is worked out when one begins or ends, not whenever somebody asks."""

    def __init__(self) -> None:
        self._all: dict[str, Silence] = {}
        self._active: dict[str, Silence] = {}
        self._next = float("-inf")
        self._last = float("-inf")

    def configure(self, silences: Iterable[Silence]) -> None:
        """Take those of a config instead of those of the one before."""
        kept = {name: silence for name, silence in self._all.items() if not silence.configured}
        self._all = kept | {silence.id: silence for silence in silences}
        self._next = float("-inf")

    def put(self, silence: Silence) -> None:
        """Take one, instead of what was known by its id; one that somebody ended stays ended."""
        known = self._all.get(silence.id)
        if known != silence and (known is None or known.ended_at is None):
            self._all[silence.id] = silence
            self._next = float("-inf")

    def find(self, identity: str) -> Silence | None:
        """Return one; None: there is no such."""
        return self._all.get(identity)

    def forget(self, before: float) -> None:
        """Forget those that were over before a Unix time."""
        self._all = {name: silence for name, silence in self._all.items() if not _over(silence, before)}

    def each(self) -> Iterator[Silence]:
        """All of them: the latest made first."""
        return iter(sorted(self._all.values(), key=lambda silence: (-silence.created_at, silence.id)))

    def tick(self, now: float) -> tuple[tuple[Silence, ...], tuple[Silence, ...]]:
        """Work out which are active at a Unix time.

        Returns:
            Those that began since the last time, and those that ended.

        """
        if self._last <= now < self._next:
            self._last = now
            return (), ()
        before, self._last = self._active, now
        self._active = {name: each for name, each in self._all.items() if each.phase(now) is Phase.ACTIVE}
        self._next = min((each.until(now) for each in self._all.values()), default=float("inf"))
        began = tuple(each for name, each in self._active.items() if name not in before)
        return began, tuple(self._all.get(name, each) for name, each in before.items() if name not in self._active)

    def active(self) -> tuple[Silence, ...]:
        """Those that were active at the last tick."""
        return tuple(self._active.values())

    def muted(self, item: Item) -> bool:
        """Whether one that is active covers an item."""
        return any(silence.matchers.cover(item) for silence in self._active.values())

    def over(self, workstation: Workstation, purpose: Purpose) -> Silence | None:
        """Return one that is active and covers a workstation as a whole; None: there is none."""
        found = (each for each in self._active.values() if each.purpose is purpose)
        return next((each for each in found if each.matchers.cover_workstation(workstation)), None)


class StandingError(Exception):
    """It stands in the config, and goes on as long as it stands there."""


def ended(silence: Silence, *, who: str, at: float) -> Silence:
    """Return a silence as it is when somebody ends it at a Unix time."""
    return replace(silence, ended_at=at, ended_by=who)


def zone(name: str) -> tzinfo:
    """Return a time zone of the tz database, or UTC, for which none is needed."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _over(silence: Silence, before: float) -> bool:
    if silence.configured:
        return False
    last = silence.ended_at if silence.ended_at is not None else _end(silence.when)
    return last < before


def _end(when: Span | Repeat) -> float:
    return when.ends_at if isinstance(when, Span) else float("inf")
