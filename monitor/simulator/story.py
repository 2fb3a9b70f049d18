"""What happens to the demonstration farm: faults that come and go on a loop, each with words for people.

An `Act` is a fault with a time and its own remedy; acts overlap as they do in life. Whatever ends the story, its acts
mend what they broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from monitor.simulator import Sleep
from monitor.simulator.farm import Farm
from monitor.simulator.hostfacts import GIB

LOOP: Final = 260.0
"""Seconds after which the story begins anew."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What has just happened, and when (seconds from the start of the story)."""

    at: float
    text: str

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.at), 60)
        return f"{minutes:02}:{seconds:02} {self.text}"


Tell = Callable[[Caption], None]
"""Told each caption when it happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A fault: when, how long, the words for its beginning and end, and what is done."""

    name: str
    begin: float
    end: float
    breaks: str
    mends: str
    fault: Callable[[Farm], AbstractContextManager[None]]


@contextlib.contextmanager
def power_cut(farm: Farm, name: str = "ws-03") -> Iterator[None]:
    """A workstation falls silent."""
    workstation = farm[name]
    workstation.power_off()
    try:
        yield
    finally:
        workstation.power_on()


@contextlib.contextmanager
def stuck_boot(farm: Farm) -> Iterator[None]:
    """An emulator hangs in its boot."""
    workstation = farm["ws-05"]
    workstation.stick_boot(2)
    try:
        yield
    finally:
        workstation.stick_boot(2, stuck=False)


@contextlib.contextmanager
def lying_console(farm: Farm) -> Iterator[None]:
    """A console says "stopped" of an emulator that answers."""
    workstation = farm["ws-02"]
    workstation.lie(1)
    try:
        yield
    finally:
        workstation.lie(1, lying=False)


@contextlib.contextmanager
def slow_host(farm: Farm) -> Iterator[None]:
    """A workstation takes its time, and answers."""
    workstation = farm["ws-06"]
    workstation.slow(0.35)
    try:
        yield
    finally:
        workstation.slow(0.0)


@contextlib.contextmanager
def failing_panel(farm: Farm) -> Iterator[None]:
    """A web panel answers 500: an answer, so no breaker opens."""
    workstation = farm["ws-07"]
    workstation.http_status(500)
    try:
        yield
    finally:
        workstation.http_status()


@contextlib.contextmanager
def hung_console(farm: Farm) -> Iterator[None]:
    """A console answers nothing any more, while its workstation and its emulators do."""
    workstation = farm["ws-04"]
    workstation.hang_console()
    try:
        yield
    finally:
        workstation.hang_console(hanging=False)


@contextlib.contextmanager
def full_disk(farm: Farm) -> Iterator[None]:
    """A disk fills."""
    workstation = farm["ws-01"]
    workstation.fill_disk(3 * GIB)
    try:
        yield
    finally:
        workstation.fill_disk()


ACTS: Final = (
    Act(
        name="power cut",
        begin=5,
        end=32,
        breaks="ws-03 falls silent (power cut)",
        mends="ws-03 has power again; its breakers find out by one trial each",
        fault=power_cut,
    ),
    Act(
        name="stuck boot",
        begin=15,
        end=75,
        breaks="ws-05: emulator ldplayer:2 hangs at boot (here it counts as stuck after 20 s)",
        mends="ws-05: emulator ldplayer:2 is started anew",
        fault=stuck_boot,
    ),
    Act(
        name="lying console",
        begin=45,
        end=90,
        breaks='ws-02: the console says "stopped" of ldplayer:1, which answers',
        mends="ws-02: the console tells the truth again",
        fault=lying_console,
    ),
    Act(
        name="slow host",
        begin=60,
        end=100,
        breaks="ws-06 becomes slow (it answers: nothing trips)",
        mends="ws-06 is quick again",
        fault=slow_host,
    ),
    Act(
        name="failing panel",
        begin=75,
        end=110,
        breaks="ws-07: the panel answers 500 (an answer: nothing trips)",
        mends="ws-07: the panel is well again",
        fault=failing_panel,
    ),
    Act(
        name="hung console",
        begin=100,
        end=135,
        breaks="ws-04: the emulator console hangs; its emulators' ports answer",
        mends="ws-04: the emulator console answers again",
        fault=hung_console,
    ),
    Act(
        name="full disk",
        begin=115,
        end=170,
        breaks="ws-01: a disk fills; 3 GiB are free, here less than 10 GiB are worth a remark",
        mends="ws-01: somebody made room on the disk",
        fault=full_disk,
    ),
    Act(
        name="another power cut",
        begin=180,
        end=240,
        breaks="ws-08 falls silent (power cut)",
        mends="ws-08 has power again; its breakers find out by one trial each",
        fault=functools.partial(power_cut, name="ws-08"),
    ),
)


class Story:
    """Plays acts on a farm, over and over.

    Args:
        farm: Who suffers; it needs the workstations the acts name.
        acts: What happens.
        loop: Seconds from one beginning to the next; at least the end of the last act.
        tell: Told every caption.
        sleep: How the story waits.

    """

    def __init__(
        self,
        farm: Farm,
        *,
        acts: Sequence[Act] = ACTS,
        loop: float = LOOP,
        tell: Tell,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._farm = farm
        self._loop = max(loop, *(act.end for act in acts))
        self._acts = acts
        self._tell = tell
        self._sleep = sleep

    async def run(self, times: int | None = None) -> None:
        """Play; forever when `times` is None. When cancelled, everything is mended before it returns."""
        played = 0
        while times is None or played < times:
            start = played * self._loop
            async with asyncio.TaskGroup() as group:
                for act in self._acts:
                    group.create_task(self._play(act, start))
                await self._sleep(self._loop)
            played += 1

    async def _play(self, act: Act, start: float) -> None:
        await self._sleep(act.begin)
        with act.fault(self._farm):
            self._tell(Caption(start + act.begin, act.breaks))
            await self._sleep(act.end - act.begin)
        self._tell(Caption(start + act.end, act.mends))
