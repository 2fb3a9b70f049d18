"""What runs out of turn: a breaker's trial when its open time is over, whoever has no answer, and wanted witnesses.

Without this a breaker would still recover, by the next run whose path holds it, but an interval late; and the checks
that failed or were refused meanwhile would stay so until their own next turn. All on the event loop; breakers may tell
of their events from any thread.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

from monitor.breaker.machine import EventKind, State
from monitor.breaker.permit import BreakerEvent
from monitor.breaker.registry import Breakers
from monitor.model import Category, Key, Outcome, Result, Target
from monitor.phase import phase

RETURN: Final = 4.0
"""Seconds within which checks without an answer run after a breaker on their way closed, at the most."""
PACE: Final = 0.05
"""Seconds between two of them, when there are few."""
TRIAL_MARGIN: Final = 0.01
"""Seconds a trial is later than the breaker's own reckoning, so that rounding never makes it early."""
BUSY_RETRY: Final = 0.5
"""Seconds until a trial is tried again when every check that could make it is under way."""


class Run(Protocol):
    """How a run is started."""

    def __call__(self, target: Target, *, due: float | None = None) -> None:
        """Start a run of a target unless one is under way."""


def _fitness(key: Key, target: Target) -> tuple[bool, int, float]:
    """Order the checks that could make a trial: those that ask about this very layer first, then the quickest."""
    return not target.owns(key), len(target.path), target.timeout


class Recovery:
    """Watches breakers; starts trials and returns."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._targets: dict[str, Target] = {}
        self._by_key: dict[Key, list[Target]] = {}
        self._by_workstation: dict[str, list[Target]] = {}
        self._unanswered: set[str] = set()
        """Checks whose last run brought no answer: it failed, or a breaker refused it."""
        self._outdated: set[str] = set()
        """Checks under way since before a breaker on their way closed; that they fail is old news."""
        self._wanted: set[str] = set()
        """Checks under way since before somebody wanted them to look."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._returns: set[asyncio.TimerHandle] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: Run | None = None
        self._busy: Callable[[Target], bool] = lambda _: False
        breakers.subscribe(self._heard_event)

    def start(self, *, run: Run, busy: Callable[[Target], bool], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin, with the trials of breakers that are open already.

        Args:
            run: Starts a run.
            busy: Whether a run of a target is under way.
            loop: Whose timers to use; None: the running one's.

        """
        self._loop = loop or asyncio.get_running_loop()
        self._run, self._busy = run, busy
        for state in self._breakers.items():
            if state.state is State.OPEN and state.forced is None and state.retry_after is not None:
                self._schedule(state.key, state.retry_after)

    def stop(self) -> None:
        """Start nothing more."""
        self._loop = self._run = None
        for handle in (*self._timers.values(), *self._returns):
            handle.cancel()
        self._timers.clear()
        self._returns.clear()

    def replace(self, targets: Iterable[Target]) -> None:
        """Take the targets of a new config."""
        before, self._by_key = self._by_key, {}
        self._targets = {target.id: target for target in targets}
        self._by_workstation = {}
        for target in self._targets.values():
            self._by_workstation.setdefault(target.workstation.id, []).append(target)
            for key in target.path:
                self._by_key.setdefault(key, []).append(target)
        for key, candidates in self._by_key.items():
            candidates.sort(key=partial(_fitness, key))
        self._unanswered &= self._targets.keys()
        self._outdated &= self._targets.keys()
        self._wanted &= self._targets.keys()
        self._catch_up(self._by_key.keys() - before.keys())

    def heard(self, result: Result) -> None:
        """Note who has no answer, and run it again soon when its breakers closed while it was under way."""
        name = result.target.id
        if result.outcome is Outcome.SKIPPED or name not in self._targets:
            return
        if name in self._wanted:
            self._wanted.discard(name)
            self._later(PACE, name, wanted=True)
        outdated = name in self._outdated
        self._outdated.discard(name)
        if result.observation is not None:
            self._unanswered.discard(name)
            return
        self._unanswered.add(name)
        if outdated:
            self._later(PACE, name)

    def soon(self, targets: Iterable[Target]) -> None:
        """Run targets out of turn, spread as those that come back; one that is under way runs again after it."""
        wanted = [target.id for target in targets]
        for name in wanted:
            self._later(phase(name) * min(RETURN, PACE * len(wanted)), name, wanted=True)

    def trial_due(self, key: Key) -> bool:
        """Whether a trial of this breaker is scheduled."""
        return key in self._timers

    def _heard_event(self, event: BreakerEvent) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._act, event)

    def _act(self, event: BreakerEvent) -> None:
        if self._run is None:
            return
        if event.kind in {EventKind.CLOSED, EventKind.RESET, EventKind.FORCED}:
            self._cancel(event.key)
            if math.isfinite(event.retry_after):
                self._return(event.key)
        else:  # the end of a trial's lease too: it may come to no verdict, and who holds it may hang
            self._schedule(event.key, event.retry_after)

    def _schedule(self, key: Key, delay: float) -> None:
        self._cancel(key)
        if self._loop is not None:
            self._timers[key] = self._loop.call_later(delay + TRIAL_MARGIN, self._try, key)

    def _cancel(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _try(self, key: Key) -> None:
        """Run the fittest check that can get as far as this breaker; behind another open one there is none."""
        del self._timers[key]
        candidates = [t for t in self._by_key.get(key, ()) if all(self._admits(way) for way in t.path if way != key)]
        target = next((target for target in candidates if not self._busy(target)), None)
        if target is not None and self._run is not None:
            self._run(target)
        elif candidates:
            self._schedule(key, BUSY_RETRY)

    def _admits(self, key: Key) -> bool:
        breaker = self._breakers.find(key)
        return breaker is None or not breaker.snapshot().retry_after

    def _catch_up(self, keys: Iterable[Key]) -> None:
        """Schedule the trial of every one of these that is open by itself and has none scheduled."""
        for key in keys:
            breaker = None if key in self._timers else self._breakers.find(key)
            state = None if breaker is None else breaker.snapshot()
            if state is not None and state.state is State.OPEN and state.forced is None:
                self._schedule(key, state.retry_after or 0.0)

    def _return(self, key: Key) -> None:
        """Run the checks behind this breaker that have no answer, spread by the stable phase of each.

        An endpoint that answers again is a sign of life of its workstation, so then all of its checks are worth asking.
        """
        back = key.category is Category.NETWORK
        behind = self._by_workstation.get(key.workstation, []) if back else self._by_key.get(key, [])
        self._outdated.update(target.id for target in behind if self._busy(target))
        waiting = [target.id for target in behind if target.id in self._unanswered and target.id not in self._outdated]
        spread = min(RETURN, PACE * len(waiting))
        for name in waiting:
            self._later(phase(name) * spread, name)
        self._catch_up({way for target in behind for way in target.path})

    def _later(self, delay: float, name: str, *, wanted: bool = False) -> None:
        if self._loop is not None:
            handles: list[asyncio.TimerHandle] = []
            handles.append(self._loop.call_later(delay, partial(self._come_back, name, handles, wanted=wanted)))
            self._returns.add(handles[0])

    def _come_back(self, name: str, handles: list[asyncio.TimerHandle], *, wanted: bool) -> None:
        self._returns.discard(handles[0])
        target = self._targets.get(name)
        if target is None or not (wanted or name in self._unanswered) or self._run is None:
            return
        if self._busy(target):
            (self._wanted if wanted else self._outdated).add(name)
        else:
            self._run(target)
