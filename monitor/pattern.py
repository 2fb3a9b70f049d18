"""Regular expressions of the config, searched in what hosts say, by an engine that can't be made to hang.

Python's own engine goes back over the text: ``(a+)+$`` takes hours for forty letters, and whoever waits for it is the
event loop. RE2 takes time in proportion to the text, times the size of the pattern, so that is bounded too. For that
it can neither look around nor refer back to a group: such a pattern is refused when the config is loaded. ``^`` and
``$`` stand for the ends of a line.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import re2
from pydantic import AfterValidator, WithJsonSchema

from monitor.errors import LocalError

LARGEST: Final = 1000
"""Steps a pattern may come to; a counted repetition multiplies them. RE2 needs up to 10 ns for each step and byte."""
SHORT: Final = 4096
"""Bytes that are searched at once, in 40 ms at the very worst; more are searched in a thread."""
SEARCHING: Final = 1.0
"""Seconds a search may take; then the pattern is to blame, not the host."""
_LINES: Final = b"(?m)"

T = TypeVar("T")


def check(pattern: str) -> str:
    """Accept what RE2 can compile to something of bounded size, for a parameter."""
    try:
        size: int = _compiled(pattern, raw=False).programsize
    except re2.error as exc:
        why = exc.args[0].replace(_LINES, b"", 1).decode("utf-8", "replace")
        words = f"not a regular expression (of RE2, which can't look around or refer back): {why}"
        raise ValueError(words) from exc
    if size > LARGEST:
        raise ValueError(f"too large a regular expression: it comes to {size} steps, at most {LARGEST} are allowed")
    return pattern


Pattern = Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "format": "regex"})]
"""A field that holds a regular expression."""


def found(pattern: str, said: str | bytes) -> bool:
    """Whether a pattern is found in text, or in bytes as they are (then it is meant in UTF-8)."""
    raw = isinstance(said, bytes)
    data = said if isinstance(said, bytes) else said.encode("utf-8", "replace")
    return _compiled(pattern, raw=raw).search(data) is not None


async def aside(judge: Callable[[], T], size: int) -> T:
    """Judge a text of so many bytes, in a thread unless it is short.

    Raises:
        LocalError: It takes too long.

    """
    if size <= SHORT:
        return judge()
    try:
        async with asyncio.timeout(SEARCHING):
            return await asyncio.to_thread(judge)
    except TimeoutError:
        raise LocalError(f"searching {size} bytes takes over {SEARCHING:g} s; a simpler pattern would do") from None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str, *, raw: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    if raw:
        options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(_LINES + pattern.encode(), options)
