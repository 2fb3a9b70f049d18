"""``/api/v1``: the pages' content for programs. Shapes are in `monitor.web.shapes`.

Lists answer ``{"at", "total", "offset", "limit", "next", "workstations" | "breakers": [...]}``. They take the filters
of the pages (``site``, ``status``, ``order``, ``text``; ``state``), ``limit`` (500, at most 1000) and ``offset``;
``next`` is the link to the next stretch, or null. Errors answer ``{"error": {"status", "title", "message"}}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from monitor.web import query, rows, shapes
from monitor.web.answers import json_response
from monitor.web.sources import SOURCES, overlays
from monitor.web.words import iso

_LIMIT: Final = 500
_MOST: Final = 1000


async def workstations(request: web.Request) -> web.Response:
    """List the workstations asked for."""
    sources = request.app[SOURCES]
    states = sources.fleet.snapshot()
    covered = overlays(sources.silences, states)
    found = rows.select(states, query.parse(request.query), covered)
    offset, limit = _stretch(request)
    shown = [
        shapes.summary(state, covered.get(state.workstation.id, rows.BARE)) for state in found[offset : offset + limit]
    ]
    return _list(request, "workstations", shown, total=len(found))


async def workstation(request: web.Request) -> web.Response:
    """Show one workstation with all that hangs on it."""
    sources = request.app[SOURCES]
    name = request.match_info["id"]
    state = sources.fleet.workstation(name)
    if state is None:
        raise web.HTTPNotFound(text=f"No workstation {name!r} is configured.")
    mine = sorted(
        (each for each in sources.breakers.items() if each.key.workstation == name), key=lambda each: each.key
    )
    overlay = overlays(sources.silences, [state]).get(name, rows.BARE)
    return json_response(shapes.detail(state, mine, overlay, sources.wall()))


async def breakers(request: web.Request) -> web.Response:
    """List the breakers asked for."""
    sources = request.app[SOURCES]
    found = rows.select_breakers(sources.breakers.items(), query.parse(request.query))
    offset, limit = _stretch(request)
    now = sources.wall()
    shown = [shapes.breaker(each, now) for each in found[offset : offset + limit]]
    return _list(request, "breakers", shown, total=len(found))


def _stretch(request: web.Request) -> tuple[int, int]:
    offset = query.number(request.query, "offset", default=0, least=0)
    return offset, min(_MOST, query.number(request.query, "limit", default=_LIMIT, least=1))


def _list(request: web.Request, name: str, shown: Sequence[shapes.Json], *, total: int) -> web.Response:
    offset, limit = _stretch(request)
    more = request.rel_url.update_query(offset=offset + limit) if offset + limit < total else None
    return json_response(
        {
            "at": iso(request.app[SOURCES].wall()),
            "total": total,
            "offset": offset,
            "limit": limit,
            "next": None if more is None else str(more),
            name: shown,
        }
    )
