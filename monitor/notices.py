"""What people are told: the items of a notice, the notice, the message a channel sends, and the route that asks for it.

Pure values. `monitor.notify.policy` decides which notices are due, `monitor.notify.wording` makes messages of them,
`monitor.channels` send those.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from fnmatch import fnmatchcase
from typing import Final

from monitor.model import NOTHING, Category, Severity, Status, SubjectKind

ANY: Final = ("*",)
"""The wildcard that fits everything."""
DIGEST_GROUP: Final = "*"
"""The group of a digest: it stands for many, so nothing of its channel may overtake it."""
MONITOR_GROUP: Final = "@monitor"
"""The group of what is told of the monitor itself; no workstation can be called so."""


def monitor_group(share: str) -> str:
    """Return the group of a process that watches a share of the workstations; empty: it watches all of them."""
    return f"{MONITOR_GROUP}/{share}" if share else MONITOR_GROUP


class Telling(enum.StrEnum):
    """What a notice is for."""

    PROBLEM = "problem"
    UPDATE = "update"
    """More has failed, or some of it recovered, while the problem lasts."""
    REMINDER = "reminder"
    RESOLVED = "resolved"
    DIGEST = "digest"
    """Several notices in one, because the route's rate limit is used up."""
    TEST = "test"

    @property
    def standing(self) -> bool:
        """Whether the problem lasts after it."""
        return self in {Telling.PROBLEM, Telling.UPDATE, Telling.REMINDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that is told about: a workstation, a check, an emulator or we, as it is believed to be."""

    kind: SubjectKind
    workstation: str
    """Empty for the monitor itself: a route for some workstations is not about it."""
    name: str = ""
    """The check's name or the emulator's id; empty for the workstation itself; the monitor's share of the fleet."""
    title: str = ""
    """What the console calls an emulator; information, no identity."""
    site: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    category: Category
    """The layer it is about."""
    critical: bool = False
    status: Status
    since: float
    """Unix time of the last change of the status."""
    message: str = ""
    """Why, in words; one line."""
    flapping: bool = False
    witness: bool = False
    """Whether it is a check that only bears witness of an emulator: the emulator is what is told about."""

    @property
    def id(self) -> str:
        """Unique over all workstations."""
        return f"{self.workstation}/{self.kind}/{self.name}"

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        if self.status is Status.DOWN:
            return Severity.CRITICAL if self.critical or self.kind is SubjectKind.WORKSTATION else Severity.HIGH
        return Severity.MEDIUM if self.status is Status.DEGRADED else Severity.LOW

    @property
    def label(self) -> str:
        """What people call it, within its workstation."""
        if self.kind is SubjectKind.WORKSTATION:
            return self.workstation
        if self.kind is SubjectKind.MONITOR:
            return f"Emuwatch itself (shard {self.name})" if self.name else "Emuwatch itself"
        return f"{self.name} ({self.title})" if self.title else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All there is to tell of one workstation at one moment."""

    items: tuple[Item, ...]
    """Whatever is known, well or not; the workstation itself first, if it is known."""
    affected: int = 0
    """Emulators that are not well, or that can't be reached because their workstation is down."""
    emulators: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell, decided; not yet in words."""

    telling: Telling
    route: str
    group: str
    """A workstation, ``site:NAME``, a `monitor_group`, or `DIGEST_GROUP`: notices of one group are told in order."""
    at: float
    """Unix time of the decision."""
    opened: float = 0.0
    """Unix time since which the problem lasts."""
    site: str = ""
    problems: tuple[Item, ...] = ()
    """What is wrong now, the worst first."""
    causes: tuple[Item, ...] = ()
    """Checks that fail and are what the trouble of a workstation among `problems` is about, unless it is dead."""
    recovered: tuple[Item, ...] = ()
    """What was told to be wrong, or to be a cause, and is not any more."""
    before: tuple[Item, ...] = ()
    """Problems and causes as the same channel was told last, for one that has to take back what holds no more."""
    affected: int = 0
    emulators: int = 0
    workstations: int = 0
    """How many the site has; 0 when it is not about a site."""
    parts: tuple[Notice, ...] = ()
    """Of a digest: what it stands for. Of a site that is back: the workstations that are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A breaker that is not closed, as a message shows it."""

    name: str
    state: str
    trial_at: float | None
    """Unix time of the next trial; None while forced, or while one runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel sends: a notice in words."""

    key: str
    """The same for every attempt to deliver it, so that a receiver can tell a repetition."""
    notice: Notice
    title: str
    text: str
    url: str = ""
    """The page where more can be read; empty: nobody configured `external_url`."""
    breakers: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which a route is silent; what still matters afterwards is told then."""

    begins: int
    """Minutes after midnight."""
    ends: int
    """Minutes after midnight; before `begins`: on the next day."""
    days: frozenset[int] = frozenset(range(7))
    """On which they begin, Monday is 0."""
    zone: tzinfo = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is told to which channels, and when. Every route that matches tells."""

    name: str
    channels: tuple[str, ...]
    sites: tuple[str, ...] = ANY
    """Wildcards, like those of a shell."""
    workstations: tuple[str, ...] = ANY
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    """Wildcards by label; all must match."""
    kinds: frozenset[SubjectKind] = frozenset(SubjectKind)
    categories: frozenset[Category] = frozenset(Category)
    statuses: frozenset[Status] = frozenset({Status.DOWN, Status.DEGRADED, Status.UNKNOWN})
    severity: Severity = Severity.LOW
    """At least so bad."""
    after: float = 60.0
    """Seconds something must be wrong before it is told."""
    wait: float = 30.0
    """Seconds the first of a group waits for the others."""
    update: float = 300.0
    """Seconds between two messages on the same group, unless it got worse."""
    remind: float | None = 4 * 3600.0
    resolved: bool = True
    """Whether an end is told."""
    resolve_after: float = 30.0
    """Seconds something must be well before its end is told."""
    steady: float = 600.0
    """The same for what flaps, or fails again within this time of being told well."""
    rate: tuple[int, float] | None = (20, 600.0)
    """At most so many messages within so many seconds; what is more becomes one digest."""
    quiet: tuple[Quiet, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A configured channel: its kind, its parameters (they hold secrets), its own templates."""

    kind: str
    params: object = field(repr=False)
    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """``notifications:`` of a config."""

    channels: Mapping[str, ChannelSpec] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    title: str | None = None
    """A template; None: the default."""
    text: str | None = None


def fits(patterns: Iterable[str], text: str) -> bool:
    """Whether one of several wildcards, like those of a shell, fits a text."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def all_fit(patterns: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether each label there is a wildcard for fits it; one that is not there is empty."""
    return all(fnmatchcase(labels.get(name, ""), pattern) for name, pattern in patterns.items())
