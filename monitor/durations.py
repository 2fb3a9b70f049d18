"""Durations as people write them: `500ms`, `30s`, `1h30m`, `1d`; seconds inside. A bare number is refused: 30 what?"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds per unit, largest first."""

PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(d|h|m|s|ms))+$"
"""For editors; `parse` also wants each unit at most once, largest first."""

LONGEST: Final = 366 * 86_400.0

_PART: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[dhms])")
_BARE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def parse(text: object) -> float:
    """Read a duration, as seconds.

    Raises:
        ValueError: It is none; the message says what would be.

    """
    if not isinstance(text, (str, int, float)) or isinstance(text, bool):
        raise ValueError("must be a duration such as 30s, 5m or 1h30m")  # noqa: TRY004 - pydantic hears ValueError
    text = str(text)
    if _BARE.fullmatch(text):
        raise ValueError(f"{text} has no unit; write {text}s")
    parts = _PART.findall(text)
    order = [list(UNITS).index(unit) for _, unit in parts]
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text or order != sorted(set(order)):
        raise ValueError(f"{text!r} is no duration; write 500ms, 30s, 5m, 1h30m or 1d")
    seconds = float(sum(Decimal(number) * UNITS[unit] for number, unit in parts) / 1000)
    if seconds > LONGEST:
        raise ValueError(f"{text} is longer than a year")
    return seconds


def show(seconds: float) -> str:
    """Write a duration so that `parse` reads it back, to the millisecond."""
    left = round(seconds * 1000)
    text = ""
    for unit, size in UNITS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def between(low: float, high: float) -> AfterValidator:
    """Bound a duration field."""

    def check(seconds: float) -> float:
        if not low <= seconds <= high:
            raise ValueError(f"must be {show(low)} to {show(high)}, not {show(seconds)}")
        return seconds

    return AfterValidator(check)


Duration = Annotated[
    float,
    BeforeValidator(parse),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["30s", "1h30m"]}),
]
"""A field that reads a duration."""
