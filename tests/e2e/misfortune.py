"""Faults that come and go on a simulated farm, by chance, each with the moments between which it surely was there."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from monitor.simulator.farm import Farm
from monitor.simulator.workstation import SimulatedWorkstation
from tests.e2e.verdict import Fault

Act = Callable[[SimulatedWorkstation], None]


@dataclass(frozen=True)
class Trouble:
    """Something that can be wrong with a workstation, and its remedy."""

    breaks: Act
    mends: Act


POWER: Final = Trouble(SimulatedWorkstation.power_off, SimulatedWorkstation.power_on)
CONSOLE: Final = Trouble(SimulatedWorkstation.hang_console, lambda host: host.hang_console(hanging=False))
PANEL: Final = Trouble(lambda host: host.http_status(500), SimulatedWorkstation.http_status)
GARBAGE: Final = Trouble(lambda host: host.http.garbage(), lambda host: host.http.restore())
PORT: Final = Trouble(lambda host: host.rdp.refuse(), lambda host: host.rdp.restore())
TROUBLES: Final = (POWER, CONSOLE, PANEL, GARBAGE, PORT)
"""None after which the monitor leaves a host alone for long, as it does after a refused login."""


class Misfortune:
    """Faults that come and go until it is told to stop; then everything is mended.

    The first two workstations have troubles of their own. All others lose their power together, sometimes while one of
    them is in trouble already.
    """

    def __init__(self, farm: Farm, chance: random.Random, *, most: float) -> None:
        """Begin; `most` is how many seconds a trouble or a good time lasts at most."""
        self.faults: list[Fault] = []
        self._over = asyncio.Event()
        self._chance = chance
        self._most = most
        first, second, *others = farm.workstations
        stories = (self._alone(first), self._alone(second), self._together(others))
        self._tasks = [asyncio.create_task(story) for story in stories]

    async def stop(self) -> None:
        """Mend everything."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    @contextlib.contextmanager
    def broken(self, trouble: Trouble, *hosts: SimulatedWorkstation) -> Iterator[None]:
        """Let hosts be in trouble, and take note of it."""
        begins = time.time()
        for host in hosts:
            trouble.breaks(host)
        try:
            yield
        finally:
            ends = time.time()
            for host in hosts:
                trouble.mends(host)
            self.faults += [Fault(workstation=host.id, begins=begins, ends=ends) for host in hosts]

    async def _alone(self, host: SimulatedWorkstation) -> None:
        while await self._pass():
            with self.broken(self._chance.choice(TROUBLES), host):
                await self._pass()

    async def _together(self, hosts: list[SimulatedWorkstation]) -> None:
        while await self._pass():
            with contextlib.ExitStack() as stack:
                if self._chance.random() < 0.5:
                    stack.enter_context(self.broken(PANEL, self._chance.choice(hosts)))
                    await self._pass()
                with self.broken(POWER, *hosts):
                    await self._pass()

    async def _pass(self) -> bool:
        """Let some time pass; False: it is all over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(1, self._most)):
                await self._over.wait()
        return not self._over.is_set()
