"""What a breaker decides: who may ask, what an outcome changes, how long an opening lasts.

Pure: no lock, no clock, no I/O. The time is passed in as monotonic seconds, chance is injected, and nobody is told of
a change: `monitor.breaker.permit` locks, reads the clock and publishes what the methods return.

Every change of state begins a new generation. A grant carries the generation it was given in, and an outcome that comes
back with another one is late: it is dropped whole, so it can neither close, reopen nor extend anything.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final, NamedTuple

from monitor.breaker.policy import Policy
from monitor.breaker.window import Window
from monitor.model import Severity

__all__ = ["EventKind", "Forced", "Grant", "Machine", "Past", "Policy", "State"]

_GRAIN: Final = 1e-6
"""Seconds by which a caller may be early: who waits exactly as told must not be refused over a rounding error."""


class State(enum.StrEnum):
    """Whether calls pass. While an operator forces the breaker, the state is what he forces."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    """One trial is on its way; everybody else is refused."""
    OPEN = "open"

    @property
    def number(self) -> int:
        """0 closed, 1 half-open, 2 open: the value of ``emuwatch_breaker_state``."""
        return _NUMBERS[self]


_NUMBERS: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Forced(enum.StrEnum):
    """What an operator holds a breaker at until he resets it."""

    OPEN = "open"
    CLOSED = "closed"


class EventKind(enum.StrEnum):
    """What happened to a breaker. A trial released without a verdict is no event: the next caller is the trial."""

    OPENED = "opened"
    """Closed to open: a trip. Exactly one per trip."""
    REOPENED = "reopened"
    """The trial failed: the same outage goes on, so this is no further trip."""
    HALF_OPENED = "half_opened"
    """A trial began."""
    CLOSED = "closed"
    """The trial succeeded."""
    FORCED = "forced"
    RESET = "reset"


class Grant(NamedTuple):
    """Leave to ask."""

    generation: int
    trial: bool


class Past(NamedTuple):
    """What a restart leaves of a breaker."""

    due: float | None
    """When its next caller is admitted, infinite while forced open; None: closed."""
    forced: Forced | None
    trips: int
    openings: int
    wait: float
    open_seconds: float


class Machine:
    """One breaker's state. The methods that change it are not safe to run twice at a time: the caller locks.

    Attributes:
        free: The generation in which everybody is admitted, None while not closed. One read of it decides, without a
            lock, whether a call may pass.
        trips: How often it went from closed to open; failed trials and forced openings are none.
        openings: Openings in a row: 1 after a trip, one more per failed trial, 0 while closed.
        failures: Failures that were not late, by severity, whether or not they count towards opening.

    """

    __slots__ = (
        "_due",
        "_open_since",
        "_open_total",
        "_random",
        "_wait",
        "_window",
        "failures",
        "forced",
        "free",
        "generation",
        "openings",
        "policy",
        "rejections",
        "state",
        "trips",
    )

    def __init__(self, policy: Policy, random: Callable[[], float]) -> None:
        self.policy = policy
        self.state = State.CLOSED
        self.forced: Forced | None = None
        self.generation = 0
        self.free: int | None = 0
        self.trips = 0
        self.rejections = 0
        self.openings = 0
        self.failures = dict.fromkeys(Severity, 0)
        self._random = random
        self._window = Window(policy.failures, policy.window)
        self._due = 0.0  # when the next caller is admitted: the end of the open time, or of the trial's lease
        self._wait = 0.0  # the open time before jitter, which back-off lengthens
        self._open_since: float | None = None
        self._open_total = 0.0

    # ------------------------------------------------------------------------------------------------- asking
    def wait(self, now: float) -> float:
        """Seconds until the next caller is admitted: 0 while closed or due, infinite while forced open."""
        if self.free is not None:
            return 0.0
        wait = self._due - now
        return wait if wait > _GRAIN else 0.0

    def open_seconds(self, now: float) -> float:
        """Seconds spent not closed in all, trials, forced openings and the running one included."""
        return self._open_total + (0.0 if self._open_since is None else max(0.0, now - self._open_since))

    @property
    def open_time(self) -> float:
        """The open time of the opening that runs, before jitter."""
        return self._wait

    def trial_running(self, now: float) -> bool:
        """Whether somebody holds the trial and its lease has not expired."""
        return self.state is State.HALF_OPEN and self.wait(now) > 0

    # --------------------------------------------------------------------------------------------- the way of a call
    def acquire(self, now: float, lease: float | None = None) -> Grant | float:
        """Ask for leave: a grant, or the seconds to wait when refused.

        The first caller after the open time gets the trial, and so does the first one after a trial's lease expired.
        """
        if self.free is not None:
            return Grant(self.free, trial=False)
        wait = self.wait(now)
        if wait > 0:
            self.rejections += 1
            return wait
        self._turn(State.HALF_OPEN, now + (self.policy.lease if lease is None else lease))
        return Grant(self.generation, trial=True)

    def record(self, now: float, generation: int, severity: Severity | None = None) -> EventKind | None:
        """Take an outcome, None for success; return what it changed. A late one changes nothing."""
        if generation != self.generation:
            return None
        if severity is not None:
            self.failures[severity] += 1
        counts = severity is not None and severity >= self.policy.min_severity
        if self.state is State.HALF_OPEN:
            return self._reopen(now) if counts else self._recover(now)
        if counts and self.forced is None and self._window.add(now):
            return self._trip(now)
        return None

    def release(self, now: float, generation: int) -> None:
        """Take back a grant that came to no verdict; if it was the trial, the next caller gets it at once."""
        if generation == self.generation and self.state is State.HALF_OPEN:
            self._turn(State.OPEN, now)

    # ------------------------------------------------------------------------------------------------- by hand
    def force(self, now: float, forced: Forced) -> EventKind | None:
        """Hold it open or closed until `reset`; None when it already is held so."""
        if forced is self.forced:
            return None
        self.forced = forced
        if forced is Forced.OPEN:
            self._turn(State.OPEN, math.inf)
            self._begin_opening(now)
        else:
            self._close(now)
        return EventKind.FORCED

    def reset(self, now: float) -> EventKind:
        """Forget force, failures and openings: closed, as new; the counters go on."""
        self.forced = None
        self._close(now)
        return EventKind.RESET

    def restore(self, now: float, past: Past) -> None:
        """Take up what it was before a restart, unless it has a life of its own by now: then only the force."""
        if self.generation and past.forced is not None and self.forced is None:
            self.force(now, past.forced)
        if self.generation:
            return
        self.forced, self.trips, self._open_total = past.forced, past.trips, past.open_seconds
        self.openings, self._wait = past.openings, past.wait
        if past.due is not None:
            self._open_since = now
            self._turn(State.OPEN, past.due)
        elif past.forced is not None:
            self._turn(State.CLOSED, 0.0)

    def adopt(self, policy: Policy) -> None:
        """Go on under another policy: the state, and an opening that runs, stay as they are."""
        self.policy = policy
        self._window.resize(policy.failures, policy.window)

    # ------------------------------------------------------------------------------------------------- inside
    def _trip(self, now: float) -> EventKind:
        self.trips += 1
        self.openings = 1
        self._wait = self.policy.open_time
        self._window.clear()
        self._begin_opening(now)
        self._turn(State.OPEN, now + self._spread())
        return EventKind.OPENED

    def _reopen(self, now: float) -> EventKind:
        self.openings += 1
        if self.policy.backoff_factor > 1:
            self._wait = min(
                max(self._wait, self.policy.open_time) * self.policy.backoff_factor, self.policy.backoff_cap
            )
        else:
            self._wait = self.policy.open_time
        self._turn(State.OPEN, now + self._spread())
        return EventKind.REOPENED

    def _recover(self, now: float) -> EventKind:
        self._close(now)
        return EventKind.CLOSED

    def _close(self, now: float) -> None:
        self._open_total = self.open_seconds(now)
        self._open_since = None
        self.openings = 0
        self._window.clear()
        self._turn(State.CLOSED, 0.0)

    def _begin_opening(self, now: float) -> None:
        if self._open_since is None:
            self._open_since = now

    def _spread(self) -> float:
        jitter = self.policy.jitter
        return self._wait * (1 + jitter * self._random()) if jitter else self._wait

    def _turn(self, state: State, due: float) -> None:
        self.free = None
        self.generation += 1
        self.state = state
        self._due = due
        if state is State.CLOSED:
            self.free = self.generation
