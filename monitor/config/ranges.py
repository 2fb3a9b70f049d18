"""Host ranges: `192.168.0.[50-57]`, `ws-[01-40]`, `pc-[1,3,7-9]`; several in one text multiply, the last runs fastest.

Zero padding is kept, so `[01-40]` gives `01`. A text without brackets stands for itself.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Final

MOST: Final = 100_000
"""How many names one range may stand for; more is a slip of the finger."""

_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_PART: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def has_range(text: str) -> bool:
    """Tell whether `text` stands for several names."""
    return "[" in text or "]" in text


def expand(text: str) -> tuple[str, ...]:
    """List the names `text` stands for, in order.

    Raises:
        ValueError: A bracket without its partner, an empty or backward range, too many names.

    """
    pieces = _BRACKETS.split(text)
    if any(has_range(fixed) for fixed in pieces[::2]):
        raise ValueError(f"'{text}' has a bracket without its partner; a range is written [01-40] or [1,3,7-9]")
    numbers = [_numbers(inner) for inner in pieces[1::2]]
    if math.prod(map(len, numbers)) > MOST:
        raise ValueError(f"'{text}' stands for more than {MOST} names")
    fixed = pieces[::2]
    return tuple(
        fixed[0] + "".join(number + tail for number, tail in zip(chosen, fixed[1:], strict=True))
        for chosen in itertools.product(*numbers)
    )


def _numbers(inner: str) -> list[str]:
    """The numbers between two brackets: `01-03,7` gives 01, 02, 03, 7."""
    found: list[str] = []
    for part in inner.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"[{inner}] is no range of numbers; write [01-40] or [1,3,7-9]")
        found += _run(match[1], match[2] or match[1], inner)
        if len(found) > MOST:
            raise ValueError(f"[{inner}] stands for more than {MOST} numbers")
    return found


def _run(first: str, last: str, inner: str) -> list[str]:
    """The numbers from `first` to `last`, as wide as they are written when either begins with a zero."""
    padded = any(len(bound) > 1 and bound.startswith("0") for bound in (first, last))
    if padded and len(first) != len(last):
        width = max(len(first), len(last))
        raise ValueError(f"[{inner}] mixes widths; write [{first.zfill(width)}-{last.zfill(width)}]")
    low, high = int(first), int(last)
    if low > high:
        raise ValueError(f"[{inner}] runs backward; write [{last}-{first}]")
    if high - low >= MOST:
        raise ValueError(f"[{inner}] stands for more than {MOST} numbers")
    width = len(first) if padded else 0
    return [str(number).zfill(width) for number in range(low, high + 1)]
