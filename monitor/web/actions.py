"""The doors for machines: liveness, readiness, reload. Plain text; reload answers JSON to who asks for it."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from monitor.errors import ConfigError
from monitor.web.answers import json_response, wants_json
from monitor.web.operators import body_of, name_of
from monitor.web.sources import SOURCES


async def healthy(_request: web.Request) -> web.Response:
    """Say that the process serves; nothing about the fleet."""
    return web.Response(text="healthy\n")


async def ready(request: web.Request) -> web.Response:
    """Say whether the checks are scheduled."""
    if request.app[SOURCES].status().ready:
        return web.Response(text="ready\n")
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="starting\n", headers={"Retry-After": "1"})


async def reload(request: web.Request) -> web.Response:
    """Read the config again; a bad one is refused with all its problems, and the running one kept.

    Body: ``{"who": "..."}``, or none.
    """
    who = name_of((await body_of(request)).get("who", ""))
    try:
        await request.app[SOURCES].reload(who)
    except ConfigError as exc:
        return _refused(request, [str(problem) for problem in exc.problems])
    waiting = request.app[SOURCES].status().needs_restart
    if wants_json(request):
        return json_response({"reloaded": True, "needs_restart": list(waiting)})
    return web.Response(text=f"reloaded; needs a restart: {', '.join(waiting)}\n" if waiting else "reloaded\n")


def _refused(request: web.Request, problems: list[str]) -> web.Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if wants_json(request):
        return json_response({"reloaded": False, "problems": problems}, status=status)
    lines = ["the config is refused, the running one kept:", *problems]
    return web.Response(status=status, text="".join(f"{line}\n" for line in lines))
