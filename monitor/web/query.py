"""What a reader asked for, from the query string, and the links that ask for something else. Pure.

A word that is not one of those understood is refused by name; a page number beyond the last shows the last.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from monitor.model import Status

PAGE_SIZE: Final = 200
"""Rows of a page: what a browser lays out, and this loop renders, without anybody noticing."""


class Order(enum.StrEnum):
    """How workstations are sorted; ties by id."""

    WORST = "worst"
    SITE = "site"
    NAME = "name"


class Show(enum.StrEnum):
    """Which workstations are shown, by status."""

    ALL = ""
    NOT_UP = "not_up"
    DOWN = "down"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UP = "up"
    MAINTENANCE = "maintenance"

    def admits(self, status: Status, *, maintained: bool = False) -> bool:
        """Whether a workstation of this status is shown; one that is maintained counts apart."""
        if self in {Show.ALL, Show.MAINTENANCE}:
            return maintained or self is Show.ALL
        return not maintained and (self.value == status.value or (self is Show.NOT_UP and status is not Status.UP))


class Layer(enum.StrEnum):
    """Which breakers are shown, by state."""

    ALL = ""
    OPEN = "open"
    HALF_OPEN = "half_open"
    CLOSED = "closed"
    FORCED = "forced"


class BadQueryError(ValueError):
    """A query string that asks for something there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question; `url` turns it back into a link."""

    site: str = ""
    status: Show = Show.ALL
    state: Layer = Layer.ALL
    order: Order = Order.WORST
    text: str = ""
    page: int = 1
    refresh: bool = True

    def url(self, **changes: object) -> str:
        """Return the link to the same question with `changes`; unless they name a page, to its first."""
        asked = dataclasses.replace(self, **{"page": 1, **changes})  # type: ignore[arg-type] # names come from templates, and every page is tested
        pairs = [(name, _text(value)) for name, value in _fields(asked) if value != _DEFAULTS[name]]
        return "?" + urlencode(pairs, errors="replace") if pairs else "?"


def _fields(query: Query) -> list[tuple[str, object]]:
    return [(field.name, getattr(query, field.name)) for field in dataclasses.fields(query)]


def _text(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


_DEFAULTS: Final = dict(_fields(Query()))
E = type[Show] | type[Layer] | type[Order]


def parse(given: Mapping[str, str]) -> Query:
    """Read a query string; names that mean nothing here are ignored.

    Raises:
        BadQueryError: A value is not one of those understood.

    """
    return Query(
        site=given.get("site", ""),
        status=Show(_word(given, "status", Show)),
        state=Layer(_word(given, "state", Layer)),
        order=Order(_word(given, "order", Order) or Order.WORST),
        text=given.get("text", "").strip(),
        page=number(given, "page", default=1, least=1),
        refresh=given.get("refresh", "on") != "off",
    )


def _word(given: Mapping[str, str], name: str, words: E) -> str:
    value = given.get(name, "")
    known = [word.value for word in words if word.value]
    if value and value not in known:
        raise BadQueryError(f"{name}: {value[:40]!r} is not one of {', '.join(known)}")
    return value


def number(given: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    """Read a whole number of at least `least`.

    Raises:
        BadQueryError: It is not one.

    """
    value = given.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value) >= least):  # noqa: PLR2004 - digits of a number nobody means
        raise BadQueryError(f"{name}: {value[:40]!r} is not a whole number of at least {least}")
    return int(value)
