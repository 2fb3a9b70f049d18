"""The style sheet, read once from the package and named by its content, so that browsers may keep it for ever."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final

from aiohttp import web

STYLE: Final = resources.files("monitor.web").joinpath("static/style.css").read_bytes()
STYLE_URL: Final = f"/static/style-{hashlib.sha256(STYLE).hexdigest()[:16]}.css"


async def style(_request: web.Request) -> web.Response:
    """Serve the style sheet."""
    response = web.Response(body=STYLE, content_type="text/css", charset="utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.enable_compression()
    return response
