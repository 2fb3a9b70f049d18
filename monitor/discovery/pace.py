"""How fast connections are begun: at even distances, however many want one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[object]]


class Pace:
    """At most `rate` turns a second.

    Args:
        rate: Turns a second, above 0.
        clock: A monotonic clock.
        sleep: How it waits.

    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._distance = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    async def turn(self) -> None:
        """Wait for a turn; who comes first has the first."""
        now = self._clock()
        mine = max(self._next, now)
        self._next = mine + self._distance
        if mine > now:
            await self._sleep(mine - now)
