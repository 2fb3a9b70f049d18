"""``/api/v1/stream``: events as they happen, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Takes ``kind`` and ``workstation`` like ``/api/v1/events``. Each message has the event's id, its kind as the name, and
the same JSON as data. Who comes back with ``Last-Event-ID`` gets what it missed, up to 1000 events.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web

from monitor.events import Asked, Event, moment_of
from monitor.feed import FullError, Listener
from monitor.web.events import MOST, parse
from monitor.web.shapes import event as shape
from monitor.web.sources import SOURCES, Sources

BEAT: Final = 15.0
"""Seconds of silence after which a comment shows proxies that the connection lives."""
RETRY: Final = 3000
"""Milliseconds a client is told to wait before it comes back."""


async def stream(request: web.Request) -> web.StreamResponse:
    """Send events until the client goes, does not keep up, or the service ends."""
    sources = request.app[SOURCES]
    if sources.feed is None:
        raise web.HTTPNotFound(text="This service has no stream of events.")
    asked = parse(request.query, sources.wall())
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8"})
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    try:
        with sources.feed.listen() as listener:
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                with suppress(ConnectionError):  # the client has gone
                    await _tell(request, listener, asked, response)
    except FullError:
        headers = {hdrs.RETRY_AFTER: "30"}
        raise web.HTTPServiceUnavailable(text="Too many listen already.", headers=headers) from None
    return response


async def _tell(request: web.Request, listener: Listener, asked: Asked, response: web.StreamResponse) -> None:
    await response.write(f"retry: {RETRY}\n\n".encode())
    last = await _missed(request.app[SOURCES], asked, request.headers.get("Last-Event-ID", ""), response)
    await _go_on(listener, asked, last, response)


async def _missed(sources: Sources, asked: Asked, last: str, response: web.StreamResponse) -> str:
    """Send what happened since an event; return the last id sent."""
    since = moment_of(last)
    if since is None or sources.events is None:
        return ""
    wanted = Asked(kinds=asked.kinds, workstation=asked.workstation, since=since - 60.0, limit=MOST)
    found = await sources.events.find(wanted)
    for event in sorted(found.events, key=lambda event: event.id):
        if event.id > last:
            await response.write(_message(event))
            last = event.id
    return last


async def _go_on(listener: Listener, asked: Asked, last: str, response: web.StreamResponse) -> None:
    while True:
        try:
            event = await listener.next(BEAT)
        except EOFError:
            return
        if event is None:
            await response.write(b":\n\n")
        elif asked.admits(event) and event.id > last:
            await response.write(_message(event))


def _message(event: Event) -> bytes:
    data = json.dumps(shape(event), ensure_ascii=True, allow_nan=False)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()
