"""Amounts as people write them, ``10GiB`` or ``5%``, and what a host has beyond them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from monitor.model import HostFacts

UNITS: Final = {
    "B": 1,
    **{f"{sign}B": 1000**power for power, sign in enumerate(("k", "M", "G", "T"), 1)},
    **{f"{sign}iB": 1024**power for power, sign in enumerate(("K", "M", "G", "T"), 1)},
}
"""Bytes per unit."""
PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(%|B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"

_AMOUNT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(%|[kMGT]?B|[KMGT]iB)")
_SHOWN: Final = ("TiB", "GiB", "MiB", "KiB")
_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of bytes, or a share of the whole."""

    text: str
    """As written."""
    bytes: int = 0
    ratio: float | None = None

    def of(self, total: int) -> int:
        """The bytes it means where the whole is `total`."""
        return self.bytes if self.ratio is None else int(total * self.ratio)

    def __str__(self) -> str:
        return self.text


def parse(text: object) -> Amount:
    """Read an amount.

    Raises:
        ValueError: It is none; the message says what would be.

    """
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is no amount; write 10GiB, 500MB or 5%")
    number, unit = Decimal(found[1]), found[2]
    if unit != "%":
        return Amount(found[0], bytes=int(number * UNITS[unit]))
    if number > _ALL:
        raise ValueError(f"{text} is more than all of it")
    return Amount(found[0], ratio=float(number / _ALL))


Limit = Annotated[
    Amount,
    BeforeValidator(lambda value: value if isinstance(value, Amount) else parse(value)),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["10GiB", "5%"]}),
]
"""A field that reads an amount."""


def show(number: int) -> str:
    """Write bytes for people: ``3.2 GiB``, ``238 GiB``."""
    for unit in _SHOWN:
        size = number / UNITS[unit]
        if abs(size) >= 1:
            return f"{size:.0f} {unit}" if abs(size) >= 10 else f"{size:.1f} {unit}"  # noqa: PLR2004 - two digits do
    return f"{number} B"


def short(name: str, left: int | None, total: int | None, limit: Amount | None, word: str) -> list[str]:
    """Say that too little is left of something; nothing where there is enough, or nobody knows."""
    if limit is None or left is None or total is None or left >= limit.of(total):
        return []
    return [f"{name} {show(left)} of {show(total)} {word}, limit {limit}"]


def shortages(
    facts: HostFacts, *, disk: Amount | None, memory: Amount | None, commit: Amount | None, volumes: Sequence[str]
) -> list[str]:
    """Name everything of which too little is left, of `volumes` (by name) and memory."""
    found: list[str] = []
    for volume in facts.volumes:
        if volume.name in volumes:
            found += short(volume.name, volume.free_bytes, volume.size_bytes, disk, "free")
    found += short("memory", facts.memory_available_bytes, facts.memory_total_bytes, memory, "available")
    return found + short("commit", facts.commit_available_bytes, facts.commit_limit_bytes, commit, "available")
