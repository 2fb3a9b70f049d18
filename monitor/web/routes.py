"""`make_app`: the routes, the frame of middlewares around them, and the headers every answer carries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from monitor.feed import Feed
from monitor.metrics import Scrapes
from monitor.web import actions, api, assets, discovery, events, live, operators, scrape, views
from monitor.web import silences as quiet
from monitor.web.failing import errors
from monitor.web.guard import guard
from monitor.web.sources import (
    SOURCES,
    Beliefs,
    BreakerTable,
    EventSource,
    Operator,
    ServiceStatus,
    SilenceTable,
    Sources,
)

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Server": "emuwatch",
    "X-Content-Type-Options": "nosniff",
}


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer, and keep what is not a static file out of caches."""
    response.headers.update(HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


def make_app(  # noqa: PLR0913 - whatever the application is given, it is given here and by name
    *,
    fleet: Beliefs,
    breakers: BreakerTable,
    scrapes: Scrapes,
    token: str,
    reload: Callable[[str], Awaitable[None]],
    status: Callable[[], ServiceStatus],
    wall: Callable[[], float] = time.time,
    refresh: int = 10,
    happened: EventSource | None = None,
    feed: Feed | None = None,
    silences: SilenceTable | None = None,
    operator: Operator | None = None,
    external_url: str | None = None,
) -> web.Application:
    """Build the application.

    Args:
        fleet: What is believed of the workstations.
        breakers: All breakers.
        scrapes: What ``/metrics`` exports.
        token: The operator's token; whatever changes something needs it.
        reload: Reads the config again, for an operator of a name; raises `monitor.errors.ConfigError` when refused.
        status: How the monitor itself is doing.
        wall: Unix time.
        refresh: Seconds after which a page reloads itself; 0: never.
        happened: Knows the events; None: nothing does.
        feed: Tells of events as they happen; None: nothing does.
        silences: Silences and windows of maintenance; None: there are none.
        operator: Carries out operators' actions; None: there are none.
        external_url: How operators reach the service, when a proxy stands before it.

    Raises:
        ValueError: The token is empty, so it would guard nothing.

    """
    if not token.strip():
        raise ValueError("the operator token is empty")
    app = web.Application(middlewares=[errors, guard])
    app[SOURCES] = Sources(
        fleet=fleet,
        breakers=breakers,
        scrapes=scrapes,
        token=token,
        reload=reload,
        status=status,
        wall=wall,
        refresh=refresh,
        silences=silences,
        events=happened,
        feed=feed,
        operator=operator,
        external_url=external_url,
    )
    app.on_response_prepare.append(_harden)
    app.on_cleanup.append(_end_scrapes)
    app.add_routes(_routes())
    return app


async def _end_scrapes(app: web.Application) -> None:
    await app[SOURCES].scrapes.aclose()


def _routes() -> list[web.RouteDef]:
    return [
        web.get("/", views.overview),
        web.get("/workstations/{id}", views.workstation),
        web.get("/breakers", views.breakers),
        web.get("/events", events.page),
        web.get("/silences", quiet.page),
        web.get("/metrics", scrape.metrics),
        web.get("/-/healthy", actions.healthy),
        web.get("/-/ready", actions.ready),
        web.post("/-/reload", actions.reload),
        web.get("/api/v1/workstations", api.workstations),
        web.get("/api/v1/workstations/{id}", api.workstation),
        web.get("/api/v1/breakers", api.breakers),
        web.get("/api/v1/events", events.listing),
        web.get("/api/v1/stream", live.stream),
        web.get("/api/v1/targets/http_sd", discovery.http_sd),
        *operators.ROUTES,
        *quiet.ROUTES,
        web.get(assets.STYLE_URL, assets.style),
    ]
