"""How the monitor notices its own trouble: a loop that stands still, a wall clock that jumps.

A timeout that struck while our loop stood still says nothing about the host, and a clock set back by an hour must not
silence an hour of probes. One timer beats twice a second and compares what it sees with what it expected.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

BEAT: Final = 0.5
"""Seconds between beats."""
STALL: Final = 1.0
"""Seconds a beat must be late to be called a stall."""
JUMP: Final = 1.0
"""Seconds the wall clock must move against the monotonic one, between two beats, to be called a jump."""


class Heartbeat:
    """Beats on the running loop from `start` to `stop`."""

    def __init__(
        self,
        *,
        lagged: Callable[[float], None] = lambda _: None,
        jumped: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Keep whom to tell.

        Args:
            lagged: Told at each beat how many seconds late it is.
            jumped: Told by how many seconds the wall clock jumped.
            clock: Monotonic seconds.
            wall: Unix time.

        """
        self._lagged = lagged
        self._jumped = jumped
        self._clock = clock
        self._wall = wall
        self._handle: asyncio.TimerHandle | None = None
        self._last = clock()
        self._offset = wall() - self._last
        self._stall_ended = -float("inf")

    def start(self) -> None:
        """Begin to beat; needs a running loop."""
        self._last = self._clock()
        self._offset = self._wall() - self._last
        self._handle = asyncio.get_running_loop().call_later(BEAT, self.beat)

    def stop(self) -> None:
        """End it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def stalled(self, since: float) -> bool:
        """Whether the loop stood still for over `STALL` seconds at some time after `since` (of `clock`)."""
        now = self._clock()
        overdue = self._handle is not None and now - self._last - BEAT > STALL
        return overdue or self._stall_ended > since

    def beat(self) -> None:
        """Compare clocks once, and call again later."""
        now = self._clock()
        lag = max(0.0, now - self._last - BEAT)
        if lag > STALL:
            self._stall_ended = now
        self._last = now
        offset = self._wall() - now
        jump, self._offset = offset - self._offset, offset
        self._handle = asyncio.get_running_loop().call_later(BEAT, self.beat)
        self._lagged(lag)
        if abs(jump) > JUMP:
            self._jumped(jump)
