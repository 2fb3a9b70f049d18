"""``/metrics``: which format the scraper takes, and the body in it, piece by piece. The rendering is not done here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from aiohttp import hdrs, web

from monitor.metrics.rendering import Format
from monitor.web.sources import SOURCES

_OPENMETRICS: Final = "application/openmetrics-text"
_TEXT: Final = ("text/plain", "text/*", "*/*")


async def metrics(request: web.Request) -> web.StreamResponse:
    """Answer a scraper; ``?name[]=`` (as often as wished) restricts the answer to metrics of that name."""
    style = negotiated(request.headers.getall(hdrs.ACCEPT, ()), request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: style.content_type, hdrs.VARY: "Accept, Accept-Encoding"})
    if style.packed:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    body = await request.app[SOURCES].scrapes.body(style, request.query.getall("name[]", ()))
    response.content_length = body.size
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # who went away does not want the rest
        for piece in body.pieces:
            await response.write(piece)
        await response.write_eof()
    return response


def negotiated(accept: Sequence[str], encodings: Sequence[str]) -> Format:
    """Choose the format: OpenMetrics 1.0 if it is liked as well as text, text 0.0.4 otherwise; gzip if it is taken."""
    opened, plain = 0.0, 0.0
    for name, parameters, quality in _choices(accept):
        if name == _OPENMETRICS and parameters.get("version", "1.0.0") == "1.0.0":
            opened = max(opened, quality)
        elif name in _TEXT:
            plain = max(plain, quality)
    packed = any(name == "gzip" and quality > 0 for name, _, quality in _choices(encodings))
    return Format(openmetrics=opened > 0 and opened >= plain, packed=packed)


def _choices(headers: Sequence[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Each thing a client takes, its parameters, and how much it likes it: not at all where that makes no sense."""
    for choice in ",".join(headers).split(","):
        name, *rest = (part.strip().lower() for part in choice.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        quality = 0.0
        with contextlib.suppress(ValueError):
            quality = float(parameters.pop("q", "1"))
        yield name, parameters, quality
