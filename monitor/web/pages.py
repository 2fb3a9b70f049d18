"""Templates, compiled once at import; `render` turns values into a response that any text from a host leaves intact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.model import Status
from monitor.version import __version__
from monitor.web import words
from monitor.web.assets import STYLE_URL

_CLIP: Final = 300
"""Characters of a host's text in a line of a table; CSS cuts what does not fit, the tooltip holds it all."""


def _clip(text: str, limit: int = _CLIP) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\N{HORIZONTAL ELLIPSIS}"


def _segment(text: str) -> str:
    """Return text as one segment of a path."""
    return quote(text, safe="", errors="replace")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clip": _clip,
        "clock": words.clock,
        "count": words.count,
        "heading": words.heading,
        "iso": words.iso,
        "label": words.label,
        "lasting": words.lasting,
        "segment": _segment,
        "span": words.span,
        "stamp": words.stamp,
    }
    environment.globals |= {
        "NONE": words.NONE,
        "Status": Status,
        "STYLE_URL": STYLE_URL,
        "VERSION": __version__,
        "fact_name": words.fact_name,
        "fact_value": words.fact_value,
        "relative": words.relative,
    }
    return environment


_ENVIRONMENT: Final = _environment()
_TEMPLATES: Final = {name: _ENVIRONMENT.get_template(name) for name in _ENVIRONMENT.list_templates(["html"])}
"""All of them, those included by others too: nothing is read from disk, and so on the loop, later."""


def html(name: str, values: Mapping[str, object]) -> bytes:
    """Render a template to bytes that are valid UTF-8 and hold no NUL, whatever the hosts said."""
    text = _TEMPLATES[f"{name}.html"].render(values)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")


def render(name: str, values: Mapping[str, object], *, code: int = 200) -> web.Response:
    """Render a template to a response."""
    response = web.Response(
        status=code, body=html(name, {**values, "code": code}), content_type="text/html", charset="utf-8"
    )
    response.enable_compression()
    return response
