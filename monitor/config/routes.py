"""The shapes of ``notifications:``: which keys there are, of which type, with which defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from monitor.config.shapes import Name, Shape, Times, Word
from monitor.durations import Duration, between
from monitor.model import Category, SubjectKind
from monitor.notices import ANY

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def check_time(value: object) -> int:
    """Accept a time of day; give its minutes after midnight."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be a time of day in quotes, such as "22:00"')
    return int(match[1]) * 60 + int(match[2])


def check_zone(text: str) -> str:
    """Accept a time zone of the tz database."""
    if text != "UTC":
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{text[:40]!r} is no time zone; write one such as Europe/Berlin or UTC") from None
    return text


def _template(text: str) -> str:
    from monitor.wording import check_template  # noqa: PLC0415 - few configs write one, and jinja takes its time

    return check_template(text)


Long = Annotated[Duration, between(0, 7 * 86_400)]
Clock = Annotated[int, BeforeValidator(check_time), WithJsonSchema({"type": "string", "pattern": f"^{_TIME.pattern}$"})]
Template = Annotated[str, AfterValidator(_template)]
Trouble = Literal["down", "degraded", "unknown"]
Patterns = Annotated[list[Word], Field(min_length=1)]


class ChannelKeys(Shape):
    """What all channels have."""

    kind: str
    title: Template | None = Field(None, description="a Jinja template, instead of that of all channels")
    text: Template | None = Field(None, description="a Jinja template, instead of that of all channels")


class RateKeys(Shape):
    """``rate:`` of a route."""

    messages: Times
    per: Annotated[Duration, between(1, 86_400)] = 600.0


class QuietKeys(Shape):
    """One span of ``quiet:`` of a route."""

    begins: Clock
    ends: Clock
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)] = Field(
        list(DAYS), description="on which it begins"
    )
    timezone: Annotated[str, AfterValidator(check_zone)] = "UTC"

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begins == self.ends:
            raise ValueError("begins and ends at the same time; to be told nothing at all, leave the route out")
        return self

    def numbers(self) -> Iterator[int]:
        """Its days, Monday is 0."""
        return (DAYS.index(day) for day in self.days)

    def zone(self) -> tzinfo:
        """Its time zone."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


class RouteKeys(Shape):
    """One of ``routes:``."""

    channels: Annotated[list[str], Field(min_length=1)]
    name: Name | None = Field(None, description="by which it is known over reloads; default: its number")
    sites: Patterns = Field(list(ANY))
    workstations: Patterns = Field(list(ANY))
    labels: dict[str, Word] = Field(default_factory=dict, description="wildcards; all must match")
    kinds: Annotated[list[SubjectKind], Field(min_length=1)] = Field(list(SubjectKind))
    categories: Annotated[list[Category], Field(min_length=1)] = Field(list(Category))
    statuses: Annotated[list[Trouble], Field(min_length=1)] = Field(["down", "degraded", "unknown"])
    severity: Literal["low", "medium", "high", "critical"] = Field(
        "low", description="at least; a workstation down is critical, other things down high, degraded medium"
    )
    after: Long = Field(60.0, description="how long something must be wrong")
    wait: Long = Field(30.0, description="how long the first of a group waits for the others")
    update: Long = Field(300.0, description="between two messages on the same workstation, unless it got worse")
    remind: Annotated[Duration, between(1, 30 * 86_400)] | Literal["never"] = 4 * 3600.0
    resolved: bool = Field(default=True, description="whether an end is told")
    resolve_after: Long = Field(30.0, description="how long something must be well before its end is told")
    steady: Long = Field(600.0, description="the same for what flaps, or fails again within this time")
    rate: RateKeys | None = Field(RateKeys(messages=20), description="what is more becomes one digest; null: no limit")
    quiet: list[QuietKeys] = Field(default_factory=list, description="hours without messages; what lasts is told then")


class NotificationKeys(Shape):
    """``notifications:``."""

    channels: dict[Name, Any] = Field(default_factory=dict)
    routes: list[Any] = Field(default_factory=list, description="default: everything to all channels")
    title: Template | None = Field(None, description="a Jinja template of what a message is headed by")
    text: Template | None = Field(None, description="a Jinja template of a message")
