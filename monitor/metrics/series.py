"""Which series one breaker, check, workstation or emulator has, and their values now: said once, for every renderer.

A `Kind` turns what identifies an entity into columns (one per family: the labels of its series), which stay as long as
the entity does; a function beside it reads the values, in the same order, at every scrape. None: the series is absent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monitor.figures import CheckFigures, EmulatorFigures, WorkstationFigures
from monitor.metrics import catalogue as names
from monitor.metrics.catalogue import Metric
from monitor.metrics.label import Labels, clean, cleaned, identity
from monitor.model import (
    HostFacts,
    Key,
    Outcome,
    Reason,
    Severity,
    Status,
    Target,
    Workstation,
)

Value = float | str | tuple[float, ...] | None
"""Of a family: a number, one number for each of its series, the word of the varying label, or nothing."""
Values = tuple[Value, ...]
Shape = tuple[Any, ...]
"""What identifies an entity and fixes its labels: the arguments of `Kind.columns`. Equal shapes, equal series."""

EMULATOR_STATES: Final = ("running", "starting", "stuck_boot", "stopped", "zombie", "frozen", "adb_off", "unknown")
OUTCOMES: Final = tuple(Outcome)
SURE: Final = {Status.UP: 1, Status.DEGRADED: 1, Status.DOWN: 0}
"""`check_up` and `emulator_up` of a status that is known for sure."""
_SEVERITIES: Final = tuple(Severity)
_NUMBER_OF_STATUS: Final = {status: tuple(int(other is status) for other in Status) for status in Status}


@dataclass(frozen=True, slots=True)
class Column:
    """The series one entity has in one family."""

    metric: Metric
    labels: tuple[Labels, ...]
    """Of each of its series."""
    varying: str = ""
    """The label whose value is what is told; the series is then 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of entity."""

    metrics: tuple[Metric, ...]
    columns: Callable[..., Sequence[Column]]
    """From a shape: one column for each of `metrics`, in their order."""


# Breakers.
def _breaker_columns(key: Key) -> Sequence[Column]:
    own = {"category": key.category.value, "workstation": identity(key.workstation), "scope": identity(key.scope)}
    failures = tuple({**own, "severity": severity.label} for severity in _SEVERITIES)
    return [Column(metric, failures if metric is names.BREAKER_FAILURES else (own,)) for metric in BREAKERS.metrics]


# Their values are `Figures`, as they are.
BREAKERS: Final = Kind(
    (
        names.BREAKER_STATE,
        names.BREAKER_FORCED,
        names.BREAKER_TRIPS,
        names.BREAKER_REJECTIONS,
        names.BREAKER_FAILURES,
        names.BREAKER_OPEN,
        names.BREAKER_LAST_TRIP,
    ),
    _breaker_columns,
)


# Checks.
def _check_columns(target: Target) -> Sequence[Column]:
    own = {
        "check": identity(target.name),
        "kind": target.kind,
        "workstation": identity(target.workstation.id),
        "emulator": identity(target.emulator or ""),
    }
    runs = tuple({**own, "outcome": outcome.value} for outcome in OUTCOMES)
    special = {
        names.CHECK_RUNS: Column(names.CHECK_RUNS, runs),
        names.CHECK_REASON: Column(names.CHECK_REASON, ({**own, "reason": ""},), "reason"),
        names.CHECK_INFO: Column(names.CHECK_INFO, (cleaned(target.labels) | own,)),
    }
    return [special.get(metric) or Column(metric, (own,)) for metric in CHECKS.metrics]


CHECKS: Final = Kind(
    (
        names.CHECK_UP,
        names.CHECK_STALE,
        names.CHECK_LAST_DURATION,
        names.CHECK_LAST_SUCCESS,
        names.CHECK_RUNS,
        names.CHECK_REASON,
        names.CHECK_INFO,
        *names.FACTS.values(),
    ),
    _check_columns,
)
_NO_FIGURES: Final = (None,) * len(names.FACTS)


def check_values(state: CheckFigures, *, runs: tuple[int, ...], last_sure: int | None) -> Values:
    """Read one check.

    Args:
        state: What is believed of it.
        runs: How many there were, by `OUTCOMES`.
        last_sure: The last value known for sure before an UNKNOWN.

    """
    facts = state.facts
    figures = tuple([_figure(facts.get(fact)) for fact in names.FACTS]) if facts else _NO_FIGURES
    return (
        SURE.get(state.status, last_sure),
        0 if state.stale_since is None else 1,
        state.last_duration,
        state.last_success,
        runs,
        None if state.reason is None else state.reason.value,
        1 if state.target.labels else None,
        *figures,
    )


# Workstations.
def _workstation_columns(workstation: Workstation) -> Sequence[Column]:
    own = {"workstation": identity(workstation.id)}
    info = {
        "site": clean(workstation.site),
        "host": clean(workstation.host),
        "platform": workstation.platform.value,
        "transport": workstation.transport.kind if workstation.transport is not None else "",
    }
    return (
        Column(names.WORKSTATION_STATUS, tuple({**own, "status": status.value} for status in Status)),
        Column(names.WORKSTATION_INFO, (cleaned(workstation.labels) | own | info,)),
        Column(names.WORKSTATION_MAINTENANCE, (own,)),
        Column(names.EMULATORS, tuple({**own, "state": state} for state in EMULATOR_STATES)),
    )


WORKSTATIONS: Final = Kind(
    (names.WORKSTATION_STATUS, names.WORKSTATION_INFO, names.WORKSTATION_MAINTENANCE, names.EMULATORS),
    _workstation_columns,
)


def workstation_values(state: WorkstationFigures, *, maintained: bool) -> Values:
    """Read one workstation.

    Args:
        state: What is believed of it; of its emulators it is shown how many are in which state, once any is known.
        maintained: Whether a window of maintenance covers it.

    """
    counts = Counter([emulator.state for emulator in state.emulators])
    emulators = tuple([counts[name] for name in EMULATOR_STATES]) if counts else None
    return (_NUMBER_OF_STATUS[state.status], 1, int(maintained), emulators)


# What hosts tell.
def _host_columns(workstation: str, volumes: tuple[str, ...]) -> Sequence[Column]:
    own = {"workstation": identity(workstation)}
    disks = tuple({**own, "volume": identity(volume)} for volume in volumes)
    return [Column(metric, disks if "volume" in metric.labels else (own,)) for metric in HOSTS.metrics]


HOSTS: Final = Kind(
    (
        names.WORKSTATION_CPU,
        names.WORKSTATION_MEMORY,
        names.WORKSTATION_MEMORY_FREE,
        names.WORKSTATION_COMMIT,
        names.WORKSTATION_COMMIT_FREE,
        names.WORKSTATION_BOOT,
        names.WORKSTATION_GPU,
        names.WORKSTATION_DISK,
        names.WORKSTATION_DISK_FREE,
    ),
    _host_columns,
)


def told(checks: Iterable[CheckFigures]) -> HostFacts | None:
    """Return what the workstation said of itself, if the last run that asked was answered; the latest of several."""
    answered = [
        check
        for check in checks
        if check.host is not None and check.last_duration is not None and check.last_success == check.last_run
    ]
    return max(answered, key=lambda check: check.last_success or 0.0).host if answered else None


def host_values(facts: HostFacts) -> tuple[tuple[str, ...], Values]:
    """Read what a host told: the names of its volumes, and the values."""
    volumes = {}
    for volume in facts.volumes:
        size, free = _figure(volume.size_bytes), _figure(volume.free_bytes)
        if size is not None and free is not None:
            volumes[volume.name] = (size, free)
    return tuple(volumes), (
        _figure(facts.cpu_ratio),
        _figure(facts.memory_total_bytes),
        _figure(facts.memory_available_bytes),
        _figure(facts.commit_limit_bytes),
        _figure(facts.commit_available_bytes),
        _figure(facts.boot_time_seconds),
        _figure(facts.gpu_ratio),
        tuple([size for size, _ in volumes.values()]) or None,
        tuple([free for _, free in volumes.values()]) or None,
    )


# Emulators.
def _emulator_columns(workstation: str, emulator: str, driver: str, index: int, title: str) -> Sequence[Column]:
    own = {"workstation": identity(workstation), "emulator": identity(emulator)}
    info = {"driver": driver, "index": str(index), "title": clean(title)}
    return (
        Column(names.EMULATOR_STATE, ({**own, "state": ""},), "state"),
        Column(names.EMULATOR_UP, (own,)),
        Column(names.EMULATOR_INFO, (own | info,)),
        Column(names.EMULATOR_DISAGREEMENT, (own,)),
        Column(names.EMULATOR_BOOT, (own,)),
        Column(names.EMULATOR_BOOT_LIMIT, (own,)),
    )


EMULATORS: Final = Kind(
    (
        names.EMULATOR_STATE,
        names.EMULATOR_UP,
        names.EMULATOR_INFO,
        names.EMULATOR_DISAGREEMENT,
        names.EMULATOR_BOOT,
        names.EMULATOR_BOOT_LIMIT,
    ),
    _emulator_columns,
)


def emulator_values(state: EmulatorFigures) -> Values:
    """Read one emulator."""
    disagree = 1 if state.reason is Reason.WITNESSES_DISAGREE else 0
    return (state.state, SURE.get(state.status), 1, disagree, state.boot_seconds, state.entity.boot_limit)


KINDS: Final = (BREAKERS, CHECKS, WORKSTATIONS, HOSTS, EMULATORS)


def _figure(value: object) -> float | None:
    """Return a figure a host told as a finite number; what is none, or too large for one, is absent."""
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
