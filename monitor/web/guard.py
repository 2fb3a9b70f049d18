"""Who may change something: whoever holds the operator's token, and no page of another origin on their behalf.

A middleware, not a decorator: whatever comes with a method that is not known to be safe is guarded, so a route added
later cannot forget it. Reading is open, as with any Prometheus exporter: the default address is loopback.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from monitor.web.sources import SOURCES

SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_CHALLENGE: Final = 'Bearer realm="emuwatch"'


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request that may change something through only with the token, and not from another origin."""
    if request.method not in SAFE:
        sources = request.app[SOURCES]
        if not same_origin(
            request.headers.getall(hdrs.ORIGIN, []), request.headers.get(hdrs.HOST, ""), sources.external_url
        ):
            raise web.HTTPForbidden(text="The request comes from a page of another origin.")
        if not holds_token(request.headers.getall(hdrs.AUTHORIZATION, []), sources.token):
            raise web.HTTPUnauthorized(
                text="This needs the operator token: Authorization: Bearer TOKEN.",
                headers={hdrs.WWW_AUTHENTICATE: _CHALLENGE},
            )
    return await handler(request)


def holds_token(authorization: list[str], token: str) -> bool:
    """Whether the one ``Authorization`` header there is carries the token; takes the same time for any wrong one."""
    if len(authorization) != 1:
        return False
    scheme, _, given = authorization[0].partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return same and scheme.lower() == "bearer"


def same_origin(origins: list[str], host: str, external_url: str | None) -> bool:
    """Whether a browser sent this from our own page; tools that are no browser send no ``Origin``."""
    return all(_is_ours(origin, host, external_url) for origin in origins)


def _is_ours(origin: str, host: str, external_url: str | None) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"}:
        return False
    if parts.netloc.lower() == host.lower():
        return True
    ours = urlsplit(external_url) if external_url else None
    return ours is not None and (parts.scheme, parts.netloc.lower()) == (ours.scheme, ours.netloc.lower())
