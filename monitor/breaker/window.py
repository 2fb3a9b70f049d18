"""A sliding window of failures that count. Only the last few stamps matter, so it keeps no more than those.

Pure: the time is passed in. It does not know what opens a breaker, only whether enough failures lie close enough.
"""

from __future__ import annotations

from collections import deque


class Window:
    """Tells whether the last `size` failures fell within `span` seconds; takes no room before the first one."""

    __slots__ = ("_size", "_span", "_stamps")

    def __init__(self, size: int, span: float) -> None:
        self._size = size
        self._span = span
        self._stamps: deque[float] | None = None

    def __len__(self) -> int:
        """Return how many stamps are kept, however old; never more than `size`."""
        return 0 if self._stamps is None else len(self._stamps)

    def add(self, now: float) -> bool:
        """Note a failure; True when it and the `size - 1` before it lie within the span (its ends included)."""
        if self._stamps is None:
            self._stamps = deque(maxlen=self._size)
        self._stamps.append(now)
        return len(self._stamps) == self._size and now - self._stamps[0] <= self._span

    def clear(self) -> None:
        """Forget every failure."""
        self._stamps = None

    def resize(self, size: int, span: float) -> None:
        """Go on with another size and span, keeping the latest failures."""
        self._size = size
        self._span = span
        if self._stamps is not None:
            self._stamps = deque(self._stamps, maxlen=size)
