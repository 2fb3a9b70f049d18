"""What others see of a breaker: one event, or all of it at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from monitor.breaker.machine import EventKind, Forced, Policy, State
from monitor.breaker.saved import Order
from monitor.model import Key, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerEvent:
    """Something happened to a breaker."""

    kind: EventKind
    key: Key
    retry_after: float
    """Seconds from `at` until it admits the next caller: 0 while closed, infinite while forced open."""
    at: float
    """Monotonic time; orders the events of one breaker, which several threads may deliver."""
    order: Order | None = None
    """Who did it and why, when somebody did it by hand."""


Listener = Callable[[BreakerEvent], None]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """One breaker at one moment, for metrics, pages and the store."""

    key: Key
    state: State
    forced: Forced | None
    trips: int
    rejections: int
    failures: Mapping[Severity, int]
    """Every severity is there, from 0 on."""
    open_seconds: float
    """Seconds spent not closed, the running opening included."""
    last_trip: float | None
    """Unix time of the last trip."""
    retry_after: float | None
    """Seconds until the next trial (0: the next caller is it); None while closed, infinite while forced open."""
    policy: Policy
    trial_running: bool
    openings: int = 0
    """Openings in a row: 1 after a trip, one more per failed trial."""
    order: Order | None = None
    """Who forces it and why, as far as he said; None: nobody does."""


class Figures(NamedTuple):
    """What is measured of one breaker: read of each of them at every scrape, so made of numbers only."""

    state: int
    """`State.number`."""
    forced: int
    """1 if an operator forces it, else 0."""
    trips: int
    rejections: int
    failures: tuple[int, ...]
    """By severity, in the order of `Severity`."""
    open_seconds: float
    last_trip: float | None
