"""How breakers recover on time: a trial when the open time is over, and the quick return of what was suppressed.

Without this a breaker would still recover, by the next run whose path holds it, but an interval late; and what it
suppressed would wait for its own next turn. All on the event loop; breakers may tell of their events from any thread.
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
from monitor.model import Key, Outcome, Result, Target
from monitor.phase import phase

RETURN: Final = 4.0
"""Seconds within which suppressed checks run after their breaker closed, at the most."""
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
        self._by_key: dict[Key, list[Target]] = {}
        self._suppressed: dict[Key, dict[str, Target]] = {}
        self._blocked_by: dict[str, Key] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._returns: set[asyncio.TimerHandle] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: Run | None = None
        self._busy: Callable[[Target], bool] = lambda _: False
        breakers.subscribe(self._heard_event)

    def start(self, *, run: Run, busy: Callable[[Target], bool]) -> None:
        """Begin on the running loop, with the trials of breakers that are open already."""
        self._loop = asyncio.get_running_loop()
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
        self._by_key = {}
        names = {}
        for target in targets:
            names[target.id] = target
            for key in target.path:
                self._by_key.setdefault(key, []).append(target)
        for key, candidates in self._by_key.items():
            candidates.sort(key=partial(_fitness, key))
        for gone in self._blocked_by.keys() - names.keys():
            self._release(gone)
        for waiting in self._suppressed.values():
            waiting.update((name, names[name]) for name in waiting)

    def heard(self, result: Result) -> None:
        """Note who waits for which breaker."""
        if result.outcome is Outcome.SKIPPED:
            return
        self._release(result.target.id)
        if result.outcome is Outcome.SUPPRESSED and result.blocked is not None and result.target in self._of(result):
            key = result.blocked.key
            self._suppressed.setdefault(key, {})[result.target.id] = result.target
            self._blocked_by[result.target.id] = key

    def trial_due(self, key: Key) -> bool:
        """Whether a trial of this breaker is scheduled."""
        return key in self._timers

    def _of(self, result: Result) -> list[Target]:
        return self._by_key.get(result.target.path[-1], [])

    def _release(self, name: str) -> None:
        key = self._blocked_by.pop(name, None)
        if key is not None:
            waiting = self._suppressed[key]
            waiting.pop(name, None)
            if not waiting:
                del self._suppressed[key]

    def _heard_event(self, event: BreakerEvent) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._act, event)

    def _act(self, event: BreakerEvent) -> None:
        if self._run is None:
            return
        if event.kind in {EventKind.OPENED, EventKind.REOPENED} and math.isfinite(event.retry_after):
            self._schedule(event.key, event.retry_after)
        elif event.kind in {EventKind.CLOSED, EventKind.RESET, EventKind.FORCED}:
            self._cancel(event.key)
            self._return(event.key)

    def _schedule(self, key: Key, delay: float) -> None:
        self._cancel(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(delay + TRIAL_MARGIN, self._try, key)

    def _cancel(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _try(self, key: Key) -> None:
        del self._timers[key]
        candidates = self._by_key.get(key, [])
        target = next((target for target in candidates if not self._busy(target)), None)
        if target is not None and self._run is not None:
            self._run(target)
        elif candidates:
            self._schedule(key, BUSY_RETRY)

    def _return(self, key: Key) -> None:
        """Run what this breaker suppressed, spread by the stable phase of each."""
        waiting = list(self._suppressed.get(key, {}).values())
        spread = min(RETURN, PACE * len(waiting))
        loop = asyncio.get_running_loop()
        for target in waiting:
            handles: list[asyncio.TimerHandle] = []
            handles.append(loop.call_later(phase(target.id) * spread, self._come_back, target, handles))
            self._returns.add(handles[0])

    def _come_back(self, target: Target, handles: list[asyncio.TimerHandle]) -> None:
        self._returns.discard(handles[0])
        if self._run is not None and not self._busy(target):
            self._run(target)
