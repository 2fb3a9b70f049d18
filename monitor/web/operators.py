"""What an operator may do by API: force and reset breakers, and say what is done to emulators.

Every route here changes something, so `monitor.web.guard` wants the operator token for it. Each action names who did it
and why; both end up in the log and in the events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from monitor.model import Category, Key
from monitor.web import shapes
from monitor.web.answers import json_response
from monitor.web.sources import SOURCES, Action, Operation, Operator

LONGEST: Final = 500
"""Characters of a reason or a name; what is longer of a message is cut."""
OUTCOMES: Final = ("done", "failed")


async def act_on_breaker(request: web.Request) -> web.Response:
    """Force a breaker open or closed, or reset it; answers with its state afterwards.

    Body: ``{"reason": "...", "who": "..."}``; the reason is required.
    """
    operator = _operator(request)
    given = request.match_info
    key = Key(_category(given["category"]), given["workstation"], given["scope"])
    who, why = who_and_why(await body_of(request))
    state = operator.act(key, Action(given["action"]), who=who, why=why)
    if state is None:
        raise web.HTTPNotFound(text=f"There is no breaker {str(key)!r}.")
    return json_response(shapes.breaker(state, request.app[SOURCES].wall()))


async def told(request: web.Request) -> web.Response:
    """Take note that an emulator was told to start or stop: for one boot time its being away is no fault."""
    workstation, emulator = request.match_info["id"], request.match_info["emulator"]
    if not _operator(request).told(workstation, emulator):
        raise web.HTTPNotFound(text=f"No emulator {emulator!r} is known on {workstation!r}.")
    return json_response({"workstation": workstation, "emulator": emulator, "noted": True})


async def carried_out(request: web.Request) -> web.Response:
    """Remember what was done to an emulator.

    Body: ``{"operation": "restart", "emulator": "ldplayer:3", "outcome": "done", "message": "...", "who": "..."}``; the
    outcome is ``done`` or ``failed``, the last two may be missing, and the emulator if there is none.
    """
    workstation, body = request.match_info["id"], await body_of(request)
    told = {name: _text(body, name) for name in ("operation", "emulator", "outcome", "message")}
    if not told["operation"] or told["outcome"] not in OUTCOMES:
        raise web.HTTPBadRequest(text='Say what was done: {"operation": "restart", "outcome": "done"}, or "failed".')
    operation = Operation(
        name=told["operation"],
        emulator=told["emulator"],
        outcome=told["outcome"],
        message=told["message"],
        who=name_of(body.get("who", "")),
    )
    if not _operator(request).carried_out(workstation, operation):
        raise web.HTTPNotFound(text=f"There is no workstation {workstation!r}.")
    return json_response({"workstation": workstation, "noted": True})


ROUTES: Final = (
    web.post(
        r"/api/v1/breakers/{category}/{workstation}/{scope}/{action:force-open|force-close|reset}", act_on_breaker
    ),
    web.post("/api/v1/workstations/{id}/emulators/{emulator}/told", told),
    web.post("/api/v1/workstations/{id}/operations", carried_out),
)


def _operator(request: web.Request) -> Operator:
    operator = request.app[SOURCES].operator
    if operator is None:
        raise web.HTTPNotFound(text="This service takes no operator's actions.")
    return operator


def _category(text: str) -> Category:
    try:
        return Category(text)
    except ValueError:
        known = ", ".join(Category)
        raise web.HTTPNotFound(text=f"There is no category {text[:40]!r}; there are {known}.") from None


async def body_of(request: web.Request) -> Mapping[str, object]:
    """Read the JSON object of a request."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not JSON.") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text='The body must be an object such as {"reason": "maintenance"}.')
    return body


def who_and_why(body: Mapping[str, object]) -> tuple[str, str]:
    """Read who does something, and why; a reason is required."""
    why = body.get("reason", "")
    if not isinstance(why, str) or len(why) > LONGEST:
        raise web.HTTPBadRequest(text=f"reason must be a text of at most {LONGEST} characters.")
    if not why.strip():
        raise web.HTTPBadRequest(text='Say why: {"reason": "..."}.')
    return name_of(body.get("who", "")), why.strip()


def name_of(who: object) -> str:
    """Read an operator's name; nobody in particular if none is given."""
    if not isinstance(who, str) or len(who) > LONGEST:
        raise web.HTTPBadRequest(text=f"who must be a text of at most {LONGEST} characters.")
    return who.strip() or "operator"


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise web.HTTPBadRequest(text=f"{name} must be a text.")
    return value.strip()[:LONGEST]
