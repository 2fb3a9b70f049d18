"""The pages for people: overview, one workstation, all breakers. One snapshot per request."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from monitor.model import Status
from monitor.web import pages, query, rows
from monitor.web.sources import SOURCES, overlays


def frame(request: web.Request, asked: query.Query) -> Mapping[str, object]:
    """Return what every page shows around its content."""
    sources = request.app[SOURCES]
    return {
        "query": asked,
        "now": sources.wall(),
        "service": sources.status(),
        "refresh": sources.refresh if asked.refresh else 0,
        "can_refresh": sources.refresh > 0,
    }


async def overview(request: web.Request) -> web.Response:
    """Show the workstations asked for, the worst first."""
    sources = request.app[SOURCES]
    asked = query.parse(request.query)
    states = sources.fleet.snapshot()
    open_breakers = rows.not_closed(sources.breakers.items())
    covered = overlays(sources.silences, states)
    page = rows.paginate(rows.select(states, asked, covered), asked.page)
    return pages.render(
        "overview",
        {
            **frame(request, asked),
            "totals": rows.totals(states, rows.count_open(open_breakers), covered),
            "sites": rows.sites(states),
            "page": page,
            "rows": [rows.row(state, open_breakers, covered) for state in page.rows],
        },
    )


async def workstation(request: web.Request) -> web.Response:
    """Show one workstation: its checks, emulators and breakers."""
    sources = request.app[SOURCES]
    name = request.match_info["id"]
    state = sources.fleet.workstation(name)
    if state is None:
        raise web.HTTPNotFound(text=f"No workstation {name!r} is configured.")
    asked = query.parse(request.query)
    mine = [each for each in sources.breakers.items() if each.key.workstation == name]
    return pages.render(
        "workstation",
        {
            **frame(request, asked),
            "state": state,
            "overlay": overlays(sources.silences, [state]).get(name, rows.BARE),
            "running": rows.running(state.emulators),
            "breakers": rows.select_breakers(mine, query.Query()),
        },
    )


async def breakers(request: web.Request) -> web.Response:
    """Show all breakers, the open ones first."""
    sources = request.app[SOURCES]
    asked = query.parse(request.query)
    known = tuple(sources.breakers.items())
    census = rows.census(known)
    return pages.render(
        "breakers",
        {
            **frame(request, asked),
            "known": len(known),
            "census": census,
            "status": Status.DEGRADED if census[query.Layer.OPEN] else Status.UP,
            "page": rows.paginate(rows.select_breakers(known, asked), asked.page),
        },
    )
