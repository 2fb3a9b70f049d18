"""From beliefs to what a page shows: totals, the rows asked for, the worst first. Pure, and linear in the fleet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from monitor.breaker.machine import State
from monitor.breaker.permit import BreakerState
from monitor.model import EmulatorRun, EmulatorState, Status, WorkstationState, worst
from monitor.silences import Silence
from monitor.web.query import PAGE_SIZE, Layer, Order, Query

WORST_FIRST: Final = (Status.DOWN, Status.DEGRADED, Status.UNKNOWN, Status.UP)
_RANK: Final = {status: rank for rank, status in enumerate(WORST_FIRST)}

ByWorkstation = Mapping[str, Sequence[BreakerState]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a bar, in percent of its length."""

    status: Status
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Overlay:
    """What covers a workstation as a whole."""

    maintenance: Silence | None = None
    silence: Silence | None = None


Overlays = Mapping[str, Overlay]
"""By workstation; one that nothing covers is not in it."""
BARE: Final = Overlay()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workstation of the overview."""

    state: WorkstationState
    running: int
    known: int
    bar: tuple[Segment, ...]
    open: Sequence[BreakerState]
    stale: int
    overlay: Overlay


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The whole fleet in figures, whatever is shown of it."""

    status: Status
    """The worst of all that are not maintained; UNKNOWN of none."""
    workstations: int
    by_status: Mapping[Status, int]
    """Of those that are not maintained."""
    maintained: int
    running: int
    known: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A stretch of what was asked for."""

    rows: Sequence[T]
    total: int
    number: int
    pages: int


def paginate(found: Sequence[T], number: int) -> Page[T]:
    """Cut page `number` out of what was found; beyond the last one, the last."""
    pages = max(1, math.ceil(len(found) / PAGE_SIZE))
    number = min(number, pages)
    start = (number - 1) * PAGE_SIZE
    return Page(rows=found[start : start + PAGE_SIZE], total=len(found), number=number, pages=pages)


def running(emulators: Iterable[EmulatorState]) -> int:
    """Count the emulators that run."""
    return sum(emulator.state == EmulatorRun.RUNNING.value for emulator in emulators)


def maintained(states: Iterable[WorkstationState], overlays: Overlays) -> frozenset[str]:
    """Return the ids of those that somebody works on."""
    ids = (state.workstation.id for state in states)
    return frozenset(name for name in ids if overlays.get(name, BARE).maintenance is not None)


def totals(states: Sequence[WorkstationState], open_breakers: int, overlays: Overlays) -> Totals:
    """Sum up the fleet."""
    apart = maintained(states, overlays)
    by_status = Counter(state.status for state in states if state.workstation.id not in apart)
    return Totals(
        status=worst(*by_status),
        workstations=len(states),
        by_status={status: by_status[status] for status in WORST_FIRST},
        maintained=len(apart),
        running=sum(running(state.emulators) for state in states),
        known=sum(len(state.emulators) for state in states),
        open=open_breakers,
    )


def not_closed(breakers: Iterable[BreakerState]) -> dict[str, list[BreakerState]]:
    """Gather the breakers that are open or on trial by workstation, in the order of their keys."""
    found: dict[str, list[BreakerState]] = {}
    for breaker in sorted((each for each in breakers if each.state is not State.CLOSED), key=lambda each: each.key):
        found.setdefault(breaker.key.workstation, []).append(breaker)
    return found


def count_open(breakers: ByWorkstation) -> int:
    """Count those that let nobody through; one on trial is not among them."""
    return sum(each.state is State.OPEN for mine in breakers.values() for each in mine)


def select(states: Sequence[WorkstationState], query: Query, overlays: Overlays) -> list[WorkstationState]:
    """Return the workstations asked for in the order asked for; `states` come ordered by id."""
    needle, apart = query.text.casefold(), maintained(states, overlays)
    found = [
        state
        for state in states
        if query.status.admits(state.status, maintained=state.workstation.id in apart)
        and (not query.site or state.workstation.site == query.site)
        and (not needle or needle in f"{state.workstation.id}\n{state.workstation.host}".casefold())
    ]
    if query.order is Order.WORST:
        found.sort(key=lambda state: (state.workstation.id in apart, _RANK[state.status]))
    elif query.order is Order.SITE:
        found.sort(key=lambda state: (state.workstation.site, _RANK[state.status]))
    return found


def row(state: WorkstationState, open_breakers: ByWorkstation, overlays: Overlays) -> Row:
    """Work out what the overview shows of one workstation."""
    return Row(
        state=state,
        running=running(state.emulators),
        known=len(state.emulators),
        bar=bar(emulator.status for emulator in state.emulators),
        open=open_breakers.get(state.workstation.id, ()),
        stale=sum(check.stale_since is not None for check in state.checks),
        overlay=overlays.get(state.workstation.id, BARE),
    )


def bar(statuses: Iterable[Status]) -> tuple[Segment, ...]:
    """Lay out a bar of statuses, the good ones first."""
    counts = Counter(statuses)
    unit = 100 / (counts.total() or 1)
    segments: list[Segment] = []
    start = 0.0
    for status in reversed(WORST_FIRST):
        if counts[status]:
            segments.append(Segment(status, round(start, 2), round(counts[status] * unit, 2)))
            start += counts[status] * unit
    return tuple(segments)


def sites(states: Iterable[WorkstationState]) -> list[str]:
    """Return the names of the sites, in order."""
    return sorted({state.workstation.site for state in states} - {""})


def select_breakers(breakers: Iterable[BreakerState], query: Query) -> list[BreakerState]:
    """Return the breakers asked for: open, then on trial, then forced closed, then closed; each by key."""
    needle = query.text.casefold()
    found = [each for each in breakers if _admits(query.state, each) and needle in str(each.key).casefold()]
    return sorted(found, key=lambda each: (-each.state.number, each.forced is None, each.key))


def _admits(layer: Layer, breaker: BreakerState) -> bool:
    if layer is Layer.FORCED:
        return breaker.forced is not None
    return layer is Layer.ALL or breaker.state.value == layer.value


def census(breakers: Iterable[BreakerState]) -> Mapping[Layer, int]:
    """Count the breakers by what the page can filter for."""
    counts: Counter[Layer] = Counter()
    for breaker in breakers:
        counts[Layer(breaker.state.value)] += 1
        counts[Layer.FORCED] += breaker.forced is not None
    return {layer: counts[layer] for layer in (Layer.OPEN, Layer.HALF_OPEN, Layer.CLOSED, Layer.FORCED)}
