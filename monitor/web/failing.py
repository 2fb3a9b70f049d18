"""What a client is told when something goes wrong: in its own format, and never how we are made.

One middleware turns every refusal (`web.HTTPException`) and every defect into HTML, JSON or text; a defect is logged
with its traceback and shown as nothing but a 500.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from monitor.web import pages
from monitor.web.answers import json_response, wants_json
from monitor.web.query import BadQueryError

_log: Final = structlog.get_logger(__name__)
_DEFECT: Final = "Something broke in the monitor; its log says what."
_FIRST_ERROR: Final = 400


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer for whatever a handler raises."""
    try:
        return await handler(request)
    except BadQueryError as exc:
        return _tell(request, HTTPStatus.BAD_REQUEST, str(exc))
    except web.HTTPException as exc:
        if exc.status < _FIRST_ERROR:
            raise
        response = _tell(request, HTTPStatus(exc.status), _said(exc))
        response.headers.update(
            {name: exc.headers[name] for name in (hdrs.WWW_AUTHENTICATE, hdrs.ALLOW) if name in exc.headers}
        )
        return response
    except Exception:  # noqa: BLE001 - the frame around every handler: it logs the defect with its traceback
        _log.exception("request failed", method=request.method, path=request.path)
        return _tell(request, HTTPStatus.INTERNAL_SERVER_ERROR, _DEFECT)


def _said(exc: web.HTTPException) -> str:
    """Return what the exception says beyond its status line."""
    given = exc.text or ""
    return HTTPStatus(exc.status).description if given in {"", f"{exc.status}: {exc.reason}"} else given


def _tell(request: web.Request, status: HTTPStatus, message: str) -> web.Response:
    if wants_json(request):
        body = {"error": {"status": status.value, "title": status.phrase, "message": message}}
        return json_response(body, status=status.value)
    if request.path.startswith(("/-/", "/metrics", "/static/")):
        return web.Response(
            status=status.value, text=f"{status.phrase}: {message}\n".encode("utf-8", "replace").decode()
        )
    return pages.render("error", {"title": status.phrase, "message": message}, code=status.value)
