"""One breaker as callers meet it: permits, a lock around the machine, a clock, and events for whoever listens.

The lock is held for a few machine instructions and never across the guarded call; to pass a closed breaker, and to
succeed there, takes none. The rules themselves are in `monitor.breaker.machine`.
"""

from __future__ import annotations

import random as chance
import threading
import time
from collections.abc import Callable
from types import MappingProxyType, TracebackType

from monitor.breaker.hold import Hold
from monitor.breaker.machine import EventKind, Forced, Grant, Machine, Policy, State
from monitor.breaker.saved import Order, Saved, past, save
from monitor.breaker.states import BreakerEvent, BreakerState, Figures, Listener
from monitor.errors import CircuitOpen, ProbeError
from monitor.model import Key, Severity

__all__ = ["Breaker", "BreakerEvent", "BreakerState", "Listener", "Permit"]


class Permit:
    """Leave to ask once. Say how it ended, once: what is said after that is ignored."""

    __slots__ = ("_breaker", "generation", "settled", "trial")

    def __init__(self, breaker: Breaker, generation: int, trial: bool) -> None:  # noqa: FBT001 - made on every call, and keywords cost
        self._breaker = breaker
        self.generation = generation
        self.trial = trial
        self.settled = False

    def success(self) -> None:
        """Something answered."""
        if self.trial:
            self._breaker.settle(self, None)
        self.settled = True

    def failure(self, error: ProbeError | Severity) -> bool:
        """Nobody answered properly; True when this very failure opened the closed breaker."""
        severity = error.severity if isinstance(error, ProbeError) else error
        return self._breaker.settle(self, severity) is EventKind.OPENED

    def release(self) -> None:
        """It came to no verdict; a trial goes to the next caller."""
        if self.trial:
            self._breaker.take_back(self)
        self.settled = True

    def serves(self, breaker: Breaker) -> bool:
        """Whether a nested call on `breaker` can go along on this permit: the same breaker, unsettled, not late."""
        return breaker is self._breaker and not self.settled and self.generation == breaker.generation


def _unheard(event: BreakerEvent) -> None:
    """Tell nobody."""


class Breaker:
    """Guards one key, for threads and tasks alike.

    Use ``permit = breaker.acquire()`` and settle the permit, or ``with breaker:`` / ``async with breaker:``, which
    judge the exception that leaves the block as `monitor.breaker.hold` says. A block must be entered and left in one
    context (one task, not across the yields of a generator); for other lifetimes take a permit.

    Args:
        key: What it guards.
        policy: When it opens and for how long.
        clock: Monotonic seconds.
        wall: Unix time, only noted for people; nothing is decided by it.
        random: From 0 to 1, for jitter.
        publish: Told of every event, outside the lock, on the caller's thread; must not raise.

    """

    __slots__ = ("_busy", "_clock", "_last_trip", "_lock", "_machine", "_order", "_publish", "_wall", "key")

    def __init__(
        self,
        key: Key,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = chance.random,
        publish: Listener = _unheard,
    ) -> None:
        self.key = key
        self._machine = Machine(policy or Policy(), random)
        self._clock = clock
        self._wall = wall
        self._publish = publish
        self._last_trip: float | None = None
        self._order: Order | None = None
        # The collector may run a finaliser (an abandoned generator's) on this very thread while it is inside the lock.
        # So the lock can be taken again, and `_busy` then turns such a visitor away: a trial it held expires.
        self._lock = threading.RLock()
        self._busy = False

    def __repr__(self) -> str:
        return f"<Breaker {self.key} {self._machine.state}>"

    @property
    def generation(self) -> int:
        """Changes with every change of state; a permit of another one is late."""
        return self._machine.generation

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._machine.policy

    def acquire(self, lease: float | None = None) -> Permit:
        """Ask for leave.

        Args:
            lease: Seconds the caller may take if this is the trial; None: as the policy says.

        Raises:
            CircuitOpen: Refused, at once; a new exception each time.

        """
        free = self._machine.free
        if free is not None:
            return Permit(self, free, False)  # noqa: FBT003 - made on every call, and keywords cost
        with self._lock:
            if self._busy:
                raise CircuitOpen(self.key, 0.0)
            self._busy = True
            try:
                now = self._clock()
                answer = self._machine.acquire(now, lease)
                wait = self._machine.wait(now) if isinstance(answer, Grant) else answer
            finally:
                self._busy = False
        if not isinstance(answer, Grant):
            raise CircuitOpen(self.key, wait)
        if answer.trial:
            self._tell(EventKind.HALF_OPENED, wait, now)
        return Permit(self, answer.generation, answer.trial)

    # ------------------------------------------------------------------------------------------------- for Permit
    def settle(self, permit: Permit, severity: Severity | None) -> EventKind | None:
        """Take a permit's outcome, None for success, unless it already has one."""

        def step(now: float) -> EventKind | None:
            if permit.settled:
                return None
            permit.settled = True
            kind = self._machine.record(now, permit.generation, severity)
            if kind is EventKind.OPENED:
                self._last_trip = self._wall()
            return kind

        return self._change(step)

    def take_back(self, permit: Permit) -> None:
        """Take a permit without an outcome."""
        self._change(lambda now: self._machine.release(now, permit.generation))

    # ------------------------------------------------------------------------------------------------- by hand
    def force_open(self, *, who: str = "", why: str = "") -> None:
        """Refuse everybody until `reset` (or `force_closed`)."""
        self._by_hand(lambda now: self._machine.force(now, Forced.OPEN), who, why)

    def force_closed(self, *, who: str = "", why: str = "") -> None:
        """Admit everybody until `reset` (or `force_open`), whatever fails."""
        self._by_hand(lambda now: self._machine.force(now, Forced.CLOSED), who, why)

    def reset(self, *, who: str = "", why: str = "") -> None:
        """Close it and forget force and failures; the counters go on."""
        self._by_hand(self._machine.reset, who, why)

    def adopt(self, policy: Policy) -> None:
        """Go on under another policy; the state stays."""
        if policy != self._machine.policy:
            self._change(lambda _: self._machine.adopt(policy))

    # ------------------------------------------------------------------------------------------------- looking
    def snapshot(self) -> BreakerState:
        """Return what is the case now."""
        with self._lock:
            now = self._clock()
            machine = self._machine
            return BreakerState(
                key=self.key,
                state=machine.state,
                forced=machine.forced,
                trips=machine.trips,
                rejections=machine.rejections,
                failures=MappingProxyType(dict(machine.failures)),
                open_seconds=machine.open_seconds(now),
                last_trip=self._last_trip,
                retry_after=None if machine.state is State.CLOSED else machine.wait(now),
                policy=machine.policy,
                trial_running=machine.trial_running(now),
                openings=machine.openings,
                order=self._order,
            )

    def saved(self) -> Saved:
        """Return what is worth keeping over a restart."""
        with self._lock:
            now, wall = self._clock(), self._wall()
            return save(self.key, self._machine, now=now, wall=wall, last_trip=self._last_trip, order=self._order)

    def restore(self, saved: Saved) -> None:
        """Go on from what was saved; a breaker that has changed since it was made only takes the operator's force."""
        with self._lock:
            now, fresh = self._clock(), self._machine.generation == 0
            self._machine.restore(now, past(saved, self._machine, now=now, wall=self._wall()))
            self._order = saved.order if self._machine.forced is saved.forced else self._order
            self._last_trip = saved.last_trip if fresh else self._last_trip

    def figures(self) -> Figures:
        """Return what is measured now."""
        with self._lock:
            machine = self._machine
            return Figures(
                machine.state.number,
                int(machine.forced is not None),
                machine.trips,
                machine.rejections,
                tuple(machine.failures.values()),
                machine.open_seconds(self._clock()),
                self._last_trip,
            )

    # ------------------------------------------------------------------------------------------------- as a block
    def __enter__(self) -> None:
        Hold(self, block=True).enter()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        hold = Hold.of_block(self)
        if hold is not None:
            hold.leave()
            hold.finish(exc)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, traceback)

    # ------------------------------------------------------------------------------------------------- inside
    def _by_hand(self, step: Callable[[float], EventKind | None], who: str, why: str) -> None:
        order = Order(who, why, self._wall())

        def ordered(now: float) -> EventKind | None:
            kind = step(now)
            if kind is not None:
                self._order = None if self._machine.forced is None else order
            return kind

        self._change(ordered, order)

    def _change(self, step: Callable[[float], EventKind | None], order: Order | None = None) -> EventKind | None:
        """Run one step of the machine alone, then tell of it."""
        with self._lock:
            if self._busy:
                return None
            self._busy = True
            try:
                now = self._clock()
                kind = step(now)
                wait = self._machine.wait(now)
            finally:
                self._busy = False
        if kind is not None:
            self._tell(kind, wait, now, order)
        return kind

    def _tell(self, kind: EventKind, retry_after: float, at: float, order: Order | None = None) -> None:
        self._publish(BreakerEvent(kind=kind, key=self.key, retry_after=retry_after, at=at, order=order))
