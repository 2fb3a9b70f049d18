"""What happened: ``/events`` for people, ``/api/v1/events`` for programs. Both read the store, and nothing else.

Both take ``kind`` (may repeat), ``workstation``, ``since`` (a span such as ``24h``, or a moment as RFC 3339), ``limit``
(200, at most 1000) and ``before`` (an event's id: the stretch older than it). The API answers
``{"at", "complete", "next", "events": [...]}``; the fields of an event are those of `monitor.events.Event`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from monitor.events import Asked, Found, Kind, since
from monitor.model import Status
from monitor.web import pages, query
from monitor.web.answers import json_response
from monitor.web.shapes import event as shape
from monitor.web.sources import SOURCES, Sources
from monitor.web.views import frame
from monitor.web.words import iso

LIMIT: Final = 200
MOST: Final = 1000
_SPANS: Final = (("", "any time"), ("1h", "last hour"), ("24h", "last day"), ("7d", "last week"), ("30d", "last month"))
_TONES: Final = {
    **{status.value: status for status in Status},
    "open": Status.DOWN,
    "closed": Status.UP,
    "refused": Status.DEGRADED,
    "ok": Status.UP,
}


@dataclass(frozen=True, slots=True)
class EventQuery:
    """One question; `url` turns it back into a link, as `query.Query` does for the other pages."""

    given: Mapping[str, str]
    page: int = 1

    def url(self, **changes: object) -> str:
        """Return the link to the same question with `changes`."""
        asked = dict(self.given)
        for name, value in changes.items():
            if name == "refresh":
                asked["refresh"] = "" if value else "off"
            elif name != "page":
                asked[name] = str(value)
        return "?" + urlencode([(name, value) for name, value in asked.items() if value], errors="replace")


def parse(given: MultiMapping[str], now: float) -> Asked:
    """Read a query string.

    Raises:
        query.BadQueryError: A value is not one of those understood.

    """
    kinds = [kind for kind in given.getall("kind", []) if kind]
    unknown = next((kind for kind in kinds if kind not in set(Kind)), None)
    if unknown is not None:
        raise query.BadQueryError(f"kind: {unknown[:40]!r} is not one of {', '.join(Kind)}")
    span = given.get("since", "")
    try:
        moment = since(span, now) if span else None
    except ValueError as error:
        raise query.BadQueryError(f"since: {error}") from None
    return Asked(
        kinds=tuple(map(Kind, kinds)),
        workstation=given.get("workstation", "").strip(),
        since=moment,
        before=given.get("before", ""),
        limit=min(MOST, query.number(given, "limit", default=LIMIT, least=1)),
    )


async def page(request: web.Request) -> web.Response:
    """Show the events asked for, the newest first."""
    sources = request.app[SOURCES]
    asked = parse(request.query, sources.wall())
    found = await _find(sources, asked)
    mine = EventQuery(dict(request.query))
    return pages.render(
        "events",
        {
            **frame(request, query.Query(refresh=request.query.get("refresh") != "off" and not asked.before)),
            "query": mine,
            "asked": asked,
            "span": request.query.get("since", ""),
            "spans": _SPANS,
            "kinds": list(Kind),
            "found": found,
            "verdicts": _TONES,
            "older": found.events[-1].id if len(found.events) == asked.limit else "",
        },
    )


async def listing(request: web.Request) -> web.Response:
    """List the events asked for."""
    sources = request.app[SOURCES]
    asked = parse(request.query, sources.wall())
    found = await _find(sources, asked)
    more = len(found.events) == asked.limit
    older = request.rel_url.update_query(before=found.events[-1].id) if more else None
    return json_response(
        {
            "at": iso(sources.wall()),
            "complete": found.complete,
            "next": None if older is None else str(older),
            "events": [shape(event) for event in found.events],
        }
    )


async def _find(sources: Sources, asked: Asked) -> Found:
    return Found((), complete=False) if sources.events is None else await sources.events.find(asked)
