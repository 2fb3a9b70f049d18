"""``silences:`` and ``maintenance:``: whom they cover, when, and why; the same keys as by API and command line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from monitor.config.problems import Report
from monitor.config.routes import Patterns, check_zone
from monitor.config.shapes import Name, Shape, Word
from monitor.config.source import Items
from monitor.config.words import mapping, validated
from monitor.durations import Duration, between
from monitor.model import NOTHING
from monitor.notices import ANY
from monitor.silences import Matchers, Purpose, Repeat, Silence, Span, zone

FIELDS: Final = 5
WHO: Final = "config"
_SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - only read, never run


def check_cron(text: str) -> str:
    """Accept a line of cron that comes true some day."""
    words = f"{text[:60]!r} is no cron line; write minute, hour, day, month and weekday, such as '0 3 * * sun'"
    if len(text.split()) != FIELDS:
        raise ValueError(words)
    try:
        CronSim(text, _SOME_DAY)  # refuses what never comes true, too
    except CronSimError:
        raise ValueError(words) from None
    return text


def check_moment(text: str) -> str:
    """Accept a moment, with or without its zone."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is no moment; write one such as 2026-01-31T22:00 (in timezone) or 2026-01-31T21:00:00Z"
        ) from None
    return text


Moment = Annotated[Word, AfterValidator(check_moment)]
Lasting = Annotated[Duration, between(60, 366 * 86_400)]


class SilenceKeys(Shape):
    """One of ``silences:`` or ``maintenance:``."""

    name: Name | None = Field(None, description="what it is called; default: whom it covers")
    workstations: Patterns = Field(list(ANY), description="wildcards")
    sites: Patterns = Field(list(ANY), description="wildcards")
    labels: dict[str, Word] = Field(default_factory=dict, description="wildcards; all must match")
    subjects: Patterns = Field(
        list(ANY), description="only these checks (by name) and emulators (ldplayer:3); wildcards"
    )
    starts: Moment | None = Field(None, description="for one that comes once: its beginning")
    ends: Moment | None = Field(None, description="its end; or write duration")
    schedule: Annotated[Word, AfterValidator(check_cron)] | None = Field(
        None, description="for one that comes again and again: a cron line, such as '0 3 * * sun'"
    )
    duration: Lasting | None = Field(None, description="how long it lasts")
    timezone: Annotated[str, AfterValidator(check_zone)] = Field("UTC", description="of starts, ends and schedule")
    reason: Word

    @model_validator(mode="after")
    def _once_or_again(self) -> Self:
        if self.schedule is not None:
            if self.starts is not None or self.ends is not None:
                raise ValueError("schedule is for what comes again and again, starts and ends for what comes once")
            if self.duration is None:
                raise ValueError("schedule needs a duration")
            return self
        if self.starts is None:
            raise ValueError("needs starts (once) or schedule (again and again)")
        if (self.ends is None) is (self.duration is None):
            raise ValueError("needs one of ends and duration")
        if self.ends is not None and self._unix(self.ends) <= self._unix(self.starts):
            raise ValueError(f"ends ({self.ends}) must be after starts ({self.starts})")
        return self

    def matchers(self) -> Matchers:
        """Whom it covers."""
        return Matchers(
            workstations=tuple(self.workstations),
            sites=tuple(self.sites),
            subjects=tuple(self.subjects),
            labels=MappingProxyType(self.labels) if self.labels else NOTHING,
        )

    def when(self) -> Span | Repeat:
        """When it is."""
        if self.schedule is not None:
            return Repeat(schedule=self.schedule, duration=self.duration or 0.0, timezone=self.timezone)
        starts_at = self._unix(self.starts or "")
        return Span(starts_at, starts_at + self.duration if self.duration is not None else self._unix(self.ends or ""))

    def _unix(self, moment: str) -> float:
        read = datetime.fromisoformat(moment)
        return (read if read.tzinfo else read.replace(tzinfo=zone(self.timezone))).timestamp()


def read_silences(items: object, purpose: Purpose, report: Report) -> Iterator[Silence]:
    """Read one of the two sections; what is wrong is reported and left out."""
    if not isinstance(items, Items):
        return
    first: dict[str, int | None] = {}
    for index, item in enumerate(items):
        section = mapping(item, items.place(index), report)
        keys = validated(SilenceKeys, section, report) if section is not None else None
        if section is None or keys is None:
            continue
        identity = f"config-{purpose}-{keys.name or _digest(keys)}"
        place = section.place("name")
        if identity in first:
            report.add(place, f"the same again as at line {first[identity]}; give each a name of its own")
            continue
        first[identity] = place.line
        yield Silence(
            id=identity,
            purpose=purpose,
            name=keys.name or "",
            matchers=keys.matchers(),
            when=keys.when(),
            who=WHO,
            why=keys.reason,
            created_at=0.0,
            configured=True,
        )


def _digest(keys: SilenceKeys) -> str:
    """Name it by what it says, so that it is the same one after a reload."""
    said: dict[str, Any] = keys.model_dump(exclude={"reason"})
    return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:8]
