"""JSON out: strict (no NaN), valid UTF-8 whatever the hosts said; and who is to get it."""

from __future__ import annotations

import json

from aiohttp import hdrs, web


def wants_json(request: web.Request) -> bool:
    """Whether the client is to be answered in JSON: it asks the API, or says it takes JSON and not HTML."""
    accept = ",".join(request.headers.getall(hdrs.ACCEPT, []))
    return request.path.startswith("/api/") or ("application/json" in accept and "text/html" not in accept)


def json_response(body: object, *, status: int = 200) -> web.Response:
    """Answer in JSON."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    response = web.Response(
        status=status, body=text.encode("utf-8", "replace"), content_type="application/json", charset="utf-8"
    )
    response.enable_compression()
    return response
