"""When each target runs: APScheduler is the clock, its jobs are phase slots, and a slot only spawns.

One job per check would cost more than many a probe, so checks of one interval share slots 50 ms apart. A check's slot
is a stable hash of its name: a restart or a reload makes no burst. A check never overlaps itself. Beside its turn a
check runs when the breaker it waits for may be tried, soon after that breaker closed, and when wanted as a witness.
"""

from __future__ import annotations

import asyncio
import math
import random as chance
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.model import Result, Target
from monitor.phase import phase
from monitor.recovery import Recovery
from monitor.runner import Runner

SLOT: Final = 0.05
"""Seconds between two slots of one interval, unless that makes too many."""
MOST_SLOTS: Final = 600


@dataclass(slots=True)
class _Slot:
    """The checks of one interval that share one phase."""

    interval: float
    offset: float
    due: float = 0.0
    """Unix time of its next turn."""
    targets: list[Target] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.interval:g}s+{self.offset:.3f}s"


class Scheduler:
    """Runs every target at its interval and hands on what comes of it."""

    def __init__(
        self,
        *,
        runner: Runner,
        recovery: Recovery,
        deliver: Callable[[Result], None],
        late: Callable[[Target, float], None] = lambda _, __: None,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Keep the parts; nothing runs before `start`.

        Args:
            runner: Runs one target.
            recovery: Tells when a breaker's trial is due and what returns when it closed.
            deliver: Takes each result, at once and on the loop.
            late: Told of each run that had a due time how many seconds after it it really began.
            wall: Unix time.
            random: From 0 to 1, for jitter.

        """
        self._random = random
        self._runner = runner
        self._recovery = recovery
        self._deliver = deliver
        self._late = late
        self._wall = wall
        self._jobs = AsyncIOScheduler(timezone=UTC)
        self._slots: dict[str, _Slot] = {}
        self._current: dict[str, Target] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    @property
    def running(self) -> int:
        """How many runs are under way or wait for their place."""
        return len(self._running)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._recovery.start(run=self.run_now, busy=lambda target: target.id in self._running)
        self._jobs.start()
        self.rebase()  # turns that passed since `replace` are no turns

    def replace(self, targets: Iterable[Target]) -> None:
        """Schedule exactly these targets; those that stay keep their phase."""
        if self._stopping:
            return
        wanted: dict[str, _Slot] = {}
        kept = list(targets)
        self._current = {target.id: target for target in kept}
        for target in kept:
            slot = _slot(target)
            wanted.setdefault(slot.id, slot).targets.append(target)
        for gone in self._slots.keys() - wanted.keys():
            self._jobs.remove_job(gone)
            del self._slots[gone]
        for identity, slot in wanted.items():
            if identity in self._slots:
                self._slots[identity].targets = slot.targets
            else:
                self._slots[identity] = slot
                self._add(slot)
        self._recovery.replace(kept)

    def rebase(self) -> None:
        """Reckon all turns anew from the wall clock, after it jumped."""
        for slot in self._slots.values():
            self._jobs.remove_job(slot.id)
            self._add(slot)

    def run_now(self, target: Target, *, due: float | None = None) -> None:
        """Start a run of a target unless one is under way; that one is counted as skipped."""
        if self._stopping or not self._wanted(target):
            return
        target = self._current[target.id]
        if target.id in self._running:
            self._deliver(self._runner.skipped(target))
            return
        task = asyncio.get_running_loop().create_task(self._run(target, due), name=f"probe:{target.id}")
        self._running[target.id] = task

    def soon(self, targets: Iterable[Target]) -> None:
        """Run targets out of turn, within a few seconds; nothing happens before `start`."""
        self._recovery.soon(targets)

    async def stop(self, drain: float) -> None:
        """Start nothing more, wait up to `drain` seconds for what runs, then cancel it."""
        self._stopping = True
        self._recovery.stop()
        if self._jobs.running:
            self._jobs.shutdown(wait=False)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=drain)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _add(self, slot: _Slot) -> None:
        now = self._wall()
        slot.due = slot.offset + math.ceil((now - slot.offset) / slot.interval) * slot.interval
        self._jobs.add_job(
            self._turn,
            IntervalTrigger(seconds=slot.interval, start_date=datetime.fromtimestamp(slot.due, UTC)),
            args=(slot,),
            id=slot.id,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=max(1, math.ceil(slot.interval)),  # a late turn still counts until the next one is due
        )

    async def _turn(self, slot: _Slot) -> None:
        now = self._wall()
        due = slot.due
        slot.due = due + (math.floor((now - due) / slot.interval) + 1) * slot.interval
        for target in slot.targets:
            if target.jitter:
                delay = self._random() * target.jitter
                asyncio.get_running_loop().call_later(delay, partial(self.run_now, target, due=due + delay))
            else:
                self.run_now(target, due=due)

    def _wanted(self, target: Target) -> bool:
        """Whether a target is still scheduled; one that left the config must not be asked, nor get its breaker back."""
        return target.id in self._current

    async def _run(self, target: Target, due: float | None) -> None:
        begun = None if due is None else lambda: self._late(target, max(0.0, self._wall() - due))
        try:
            result = await self._runner.run(target, begun=begun, wanted=self._wanted)
        finally:
            self._running.pop(target.id, None)
        self._deliver(result)
        self._recovery.heard(result)


def _slot(target: Target) -> _Slot:
    count = max(1, min(MOST_SLOTS, round(target.interval / SLOT)))
    place = int(phase(target.id) * count)
    return _Slot(interval=target.interval, offset=place * target.interval / count)
