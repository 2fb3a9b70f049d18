"""What outlives a restart of a breaker: in wall-clock time, because monotonic time begins anew with every process.

Pure. `monitor.breaker.permit` takes it and gives it, under its lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitor.breaker.machine import Forced, Machine, Past, State
from monitor.model import Key


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order: who gave it, why, when (Unix time)."""

    who: str
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One breaker as the store keeps it."""

    key: Key
    until: float | None
    """Unix time of the next trial; None: not open by itself."""
    openings: int
    open_time: float
    """Of the opening that runs, before jitter: back-off goes on from it."""
    trips: int
    last_trip: float | None
    """Unix time."""
    open_seconds: float
    forced: Forced | None
    order: Order | None
    """Who forced it and why; None: nobody did."""

    @property
    def plain(self) -> bool:
        """Whether it says no more than a new breaker would."""
        return self.until is None and self.forced is None and not self.trips


def save(key: Key, machine: Machine, *, now: float, wall: float, last_trip: float | None, order: Order | None) -> Saved:
    """Describe a machine in wall-clock time. A trial that runs is forgotten: whoever comes first is the next."""
    wait = 0.0 if machine.state is State.HALF_OPEN else machine.wait(now)
    is_open = machine.state is not State.CLOSED and machine.forced is None
    return Saved(
        key=key,
        until=wall + wait if is_open else None,
        openings=machine.openings,
        open_time=machine.open_time,
        trips=machine.trips,
        last_trip=last_trip,
        open_seconds=machine.open_seconds(now),
        forced=machine.forced,
        order=order,
    )


def past(saved: Saved, machine: Machine, *, now: float, wall: float) -> Past:
    """Turn wall-clock time back into monotonic.

    What is left of an opening is never longer than a whole one: the wall clock may have been set back meanwhile.
    """
    due = None
    if saved.forced is Forced.OPEN:
        due = math.inf
    elif saved.forced is None and saved.until is not None:
        longest = max(saved.open_time, machine.policy.open_time) * (1 + machine.policy.jitter)
        due = now + min(max(0.0, saved.until - wall), longest)
    return Past(
        due=due,
        forced=saved.forced,
        trips=saved.trips,
        openings=saved.openings,
        wait=saved.open_time,
        open_seconds=saved.open_seconds,
    )
