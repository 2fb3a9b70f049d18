"""Silences and maintenance: ``/silences`` for people, ``/api/v1/silences`` for programs.

``POST /api/v1/silences`` takes the keys of the config's ``silences:`` and ``purpose`` (silence, maintenance) and
``who``; ``starts`` may be left out: now. ``POST /api/v1/silences/{id}/end`` with ``{"reason": "...", "who": "..."}``
ends one. Both answer with the silence (`monitor.web.shapes.silence`); ``kept`` false: the store is away, and a restart
before it is back would forget it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import ValidationError

from monitor.config.silences import SilenceKeys
from monitor.model import Status
from monitor.silences import Phase, Purpose, Silence, StandingError
from monitor.web import pages, query, shapes
from monitor.web.answers import json_response
from monitor.web.operators import body_of, name_of, who_and_why
from monitor.web.sources import SOURCES, SilenceTable
from monitor.web.views import frame
from monitor.web.words import iso

ORDER: Final = (Phase.ACTIVE, Phase.PENDING, Phase.ENDED)
SHOWN: Final = 200
"""Of each phase, on the page."""


async def page(request: web.Request) -> web.Response:
    """Show all: those that are active, to come, and over."""
    sources = request.app[SOURCES]
    now = sources.wall()
    known = [] if sources.silences is None else list(sources.silences.each())
    phases = {phase: [each for each in known if each.phase(now) is phase] for phase in ORDER}
    return pages.render(
        "silences",
        {
            **frame(request, query.parse(request.query)),
            "status": Status.UP,
            "phases": {phase: found[:SHOWN] for phase, found in phases.items()},
            "counts": {phase: len(found) for phase, found in phases.items()},
        },
    )


async def listing(request: web.Request) -> web.Response:
    """List them; ``phase`` (active, pending, ended) and ``purpose`` choose some."""
    now = request.app[SOURCES].wall()
    phase = _word(request.query, "phase", Phase)
    purpose = _word(request.query, "purpose", Purpose)
    found = [
        each for each in _table(request).each() if phase in {None, each.phase(now)} and purpose in {None, each.purpose}
    ]
    return json_response({"at": iso(now), "silences": [shapes.silence(each, now) for each in found]})


async def add(request: web.Request) -> web.Response:
    """Make one."""
    now = request.app[SOURCES].wall()
    body = dict(await body_of(request))
    purpose, who = body.pop("purpose", Purpose.SILENCE.value), name_of(body.pop("who", ""))
    if purpose not in set(Purpose):
        raise web.HTTPBadRequest(text=f"purpose must be one of {', '.join(Purpose)}.")
    if body.get("starts") is None and body.get("schedule") is None:
        body["starts"] = datetime.fromtimestamp(int(now), UTC).isoformat()
    try:
        silence = await asyncio.to_thread(_silence, body, Purpose(str(purpose)), who, now)  # reads time zones
    except ValidationError as error:
        raise web.HTTPBadRequest(text="; ".join(_problems(error))) from None
    if silence.phase(now) is Phase.ENDED:
        raise web.HTTPBadRequest(text="It would be over already: its end is not after now.")
    kept = await _table(request).add(silence)
    answer = {**shapes.silence(silence, now), "kept": kept}
    return json_response(answer, status=HTTPStatus.CREATED)


async def end(request: web.Request) -> web.Response:
    """End one before its time."""
    who, why = who_and_why(await body_of(request))
    identity = request.match_info["id"]
    try:
        over = await _table(request).end(identity, who=who, why=why)
    except StandingError:
        raise web.HTTPConflict(text=f"{identity!r} stands in the config; take it out there and reload.") from None
    if over is None:
        raise web.HTTPNotFound(text=f"There is no silence {identity!r}.")
    return json_response(shapes.silence(over, request.app[SOURCES].wall()))


ROUTES: Final = (
    web.get("/api/v1/silences", listing),
    web.post("/api/v1/silences", add),
    web.post("/api/v1/silences/{id}/end", end),
)


def _table(request: web.Request) -> SilenceTable:
    silences = request.app[SOURCES].silences
    if silences is None:
        raise web.HTTPNotFound(text="This service knows no silences.")
    return silences


def _silence(body: Mapping[str, object], purpose: Purpose, who: str, now: float) -> Silence:
    """Make what a request asks for.

    Raises:
        ValidationError: What it says is wrong.

    """
    keys = SilenceKeys.model_validate(body)
    return Silence(
        id=secrets.token_hex(4),
        purpose=purpose,
        name=keys.name or "",
        matchers=keys.matchers(),
        when=keys.when(),
        who=who,
        why=keys.reason,
        created_at=now,
    )


def _word(given: Mapping[str, str], name: str, words: type[Phase | Purpose]) -> str | None:
    value = given.get(name, "")
    if value and value not in set(words):
        raise query.BadQueryError(f"{name}: {value[:40]!r} is not one of {', '.join(words)}")
    return value or None


def _problems(error: ValidationError) -> list[str]:
    """Say what is wrong, key by key."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, problem["loc"]))
        words = str(problem.get("ctx", {}).get("error") or problem["msg"])
        found.append(f"{where}: {words}" if where else words)
    return found
