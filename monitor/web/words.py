"""Figures as people read them: moments, spans, sizes, facts. Pure; any number gives text, never an exception."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from monitor.model import Fact

NONE: Final = "\N{EN DASH}"
"""Stands where there is nothing to say."""

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def _moment(unix: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(unix, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def iso(unix: float | None) -> str | None:
    """Return the moment as RFC 3339 in UTC, whole seconds; None when there is none or no calendar holds it."""
    moment = None if unix is None else _moment(unix)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(unix: float) -> str:
    """Return the moment in full, for a tooltip."""
    moment = _moment(unix)
    return NONE if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(unix: float) -> str:
    """Return the time of day."""
    moment = _moment(unix)
    return NONE if moment is None else moment.strftime("%H:%M:%S UTC")


def span(seconds: float) -> str:
    """Return a length of time by its largest unit, with the next one below while that still tells something."""
    if not math.isfinite(seconds):
        return NONE
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 10 and seconds != round(seconds):  # noqa: PLR2004 - one digit, so a decimal is worth its place
        return f"{seconds:.1f} s"
    return _coarse(round(seconds))


def _coarse(seconds: int) -> str:
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    for (size, unit), (below, small) in itertools.pairwise(_UNITS):
        if rest >= size:
            tail = rest % size // below
            return f"{sign}{rest // size} {unit}" + (f" {tail} {small}" if tail else "")
    return f"{sign}{rest} s"


def lasting(seconds: float) -> str:
    """Return how long something has lasted, in whole seconds or coarser."""
    return _coarse(max(0, int(seconds))) if math.isfinite(seconds) else NONE


def relative(unix: float, now: float) -> str:
    """Return a moment as seen from now: ``3 min ago``, ``in 42 s``, ``just now``."""
    gap = round(unix - now, 3) if math.isfinite(unix - now) else math.nan
    if not math.isfinite(gap):
        return NONE
    if abs(gap) < 1:
        return "just now"
    words = _rough(abs(gap))
    return f"in {words}" if gap > 0 else f"{words} ago"


def _rough(seconds: float) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def size(count: float) -> str:
    """Return bytes in binary units."""
    if not math.isfinite(count):
        return NONE
    power = 0
    while abs(count) >= 1024 and power < len(_SIZES) - 1:  # noqa: PLR2004 - what "Ki" means
        count, power = count / 1024, power + 1
    return f"{count:.0f} {_SIZES[power]}" if power == 0 else f"{count:.1f} {_SIZES[power]}"


def count(number: int) -> str:
    """Return a whole number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


_ACRONYMS: Final = {"adb": "ADB", "dns": "DNS", "tls": "TLS", "rtt": "RTT"}


def label(name: str) -> str:
    """Return a name as words: ``stuck_boot`` is ``stuck boot``, ``adb_off`` is ``ADB off``."""
    return " ".join(_ACRONYMS.get(word, word) for word in name.split("_"))


def heading(name: str) -> str:
    """Return a name as words with a capital first."""
    words = label(name)
    return words[:1].upper() + words[1:]


_READ: Final[Mapping[str, Callable[[float], str]]] = {
    "_timestamp_seconds": stamp,
    "_seconds": span,
    "_bytes": size,
    "_ratio": lambda value: f"{value * 100:.3g} %",
}


def _unit(name: str) -> str:
    return next((suffix for suffix in _READ if name.endswith(suffix)), "")


def fact_name(name: str) -> str:
    """Return a fact's name as words, without the unit its value shows."""
    return label(name.removesuffix(_unit(name)))


def fact_value(name: str, value: Fact) -> str:
    """Return a fact's value in the unit its name tells."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit := _unit(name):
        return _READ[unit](value)
    return count(value) if isinstance(value, int) else f"{value:.4g}"
