"""The JSON shapes of ``/api/v1``: named fields only, so that nothing of a config gets out by accident. Pure.

Stable: fields are added, never renamed or removed. Moments are RFC 3339 in UTC or null, lengths of time are seconds
(``_seconds``), statuses are ``up``, ``degraded``, ``down``, ``unknown``; a figure that is no finite number is null.

Workstation (list):  id, host, site, labels, status, since, message, flapping,
                     maintenance, silence (ids of what covers it as a whole, or null),
                     checks {up, degraded, down, unknown, stale}, emulators {running, known}
Workstation (alone): the same, but checks [check], emulators [emulator], breakers [breaker]
Check:               name, kind, status, since, reason, message, stale_since, flapping, critical, emulator, path [key],
                     interval_seconds, timeout_seconds, last_outcome, last_run, last_success, last_duration_seconds,
                     facts {name: value}, blocked_by {key, retry_after_seconds} | null
Emulator:            id, driver, index, title, state, status, since, reason, message, expected, first_seen, last_seen
Breaker:             key {category, workstation, scope}, state (closed, half_open, open), forced, trial_running,
                     retry_after_seconds, next_trial, trips, rejections, failures {low, medium, high, critical},
                     open_seconds, last_trip, policy {failures, min_severity, window_seconds, open_seconds}
Silence:             id, purpose (silence, maintenance), name, phase (active, pending, ended), workstations, sites,
                     labels, subjects, starts, ends (of its span now, or of the next one), schedule, duration_seconds,
                     timezone (of one that repeats), who, reason, created, ended, ended_by (by hand), configured
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from monitor.breaker.permit import BreakerState
from monitor.events import Event
from monitor.model import (
    Blocked,
    CheckState,
    EmulatorState,
    Fact,
    Key,
    Severity,
    Status,
    Workstation,
    WorkstationState,
)
from monitor.silences import Repeat, Silence
from monitor.web import rows
from monitor.web.words import iso

Json = Mapping[str, object]


def _finite(value: Fact | None) -> Fact | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: Key) -> Json:
    return {"category": key.category.value, "workstation": key.workstation, "scope": key.scope}


def _who(workstation: Workstation) -> Json:
    return {
        "id": workstation.id,
        "host": workstation.host,
        "site": workstation.site,
        "labels": dict(workstation.labels),
    }


def _belief(state: WorkstationState, overlay: rows.Overlay) -> Json:
    return {
        **_who(state.workstation),
        "status": state.status.value,
        "since": iso(state.since),
        "message": state.message,
        "flapping": state.flapping,
        "maintenance": overlay.maintenance and overlay.maintenance.id,
        "silence": overlay.silence and overlay.silence.id,
    }


def summary(state: WorkstationState, overlay: rows.Overlay) -> Json:
    """Return a workstation as the list shows it."""
    counts = Counter(check.status for check in state.checks)
    stale = sum(check.stale_since is not None for check in state.checks)
    return {
        **_belief(state, overlay),
        "checks": {**{status.value: counts[status] for status in Status}, "stale": stale},
        "emulators": {"running": rows.running(state.emulators), "known": len(state.emulators)},
    }


def detail(state: WorkstationState, breakers: Iterable[BreakerState], overlay: rows.Overlay, now: float) -> Json:
    """Return a workstation with all that hangs on it."""
    return {
        **_belief(state, overlay),
        "checks": [check(each) for each in state.checks],
        "emulators": [emulator(each) for each in state.emulators],
        "breakers": [breaker(each, now) for each in breakers],
    }


def silence(silence: Silence, now: float) -> Json:
    """Return a silence or a window of maintenance."""
    span, repeat = silence.span(now), silence.when if isinstance(silence.when, Repeat) else None
    return {
        "id": silence.id,
        "purpose": silence.purpose.value,
        "name": silence.name,
        "phase": silence.phase(now).value,
        "workstations": list(silence.matchers.workstations),
        "sites": list(silence.matchers.sites),
        "labels": dict(silence.matchers.labels),
        "subjects": list(silence.matchers.subjects),
        "starts": None if span is None else iso(span.starts_at),
        "ends": None if span is None else iso(span.ends_at),
        "schedule": None if repeat is None else repeat.schedule,
        "duration_seconds": None if repeat is None else repeat.duration,
        "timezone": None if repeat is None else repeat.timezone,
        "who": silence.who,
        "reason": silence.why,
        "created": iso(silence.created_at) if silence.created_at else None,
        "ended": iso(silence.ended_at),
        "ended_by": silence.ended_by,
        "configured": silence.configured,
    }


def check(state: CheckState) -> Json:
    """Return a check, without its parameters."""
    target = state.target
    return {
        "name": target.name,
        "kind": target.kind,
        "status": state.status.value,
        "since": iso(state.since),
        "reason": state.reason,
        "message": state.message,
        "stale_since": iso(state.stale_since),
        "flapping": state.flapping,
        "critical": target.critical,
        "emulator": target.emulator,
        "path": [_key(key) for key in target.path],
        "interval_seconds": target.interval,
        "timeout_seconds": target.timeout,
        "last_outcome": state.last_outcome,
        "last_run": iso(state.last_run),
        "last_success": iso(state.last_success),
        "last_duration_seconds": _finite(state.last_duration),
        "facts": {name: _finite(value) for name, value in state.facts.items()},
        "blocked_by": _blocked(state.blocked),
    }


def _blocked(blocked: Blocked | None) -> Json | None:
    if blocked is None:
        return None
    return {"key": _key(blocked.key), "retry_after_seconds": _finite(blocked.retry_after)}


def emulator(state: EmulatorState) -> Json:
    """Return an emulator."""
    return {
        "id": state.id,
        "driver": state.driver,
        "index": state.index,
        "title": state.title,
        "state": state.state,
        "status": state.status.value,
        "since": iso(state.since),
        "reason": state.reason,
        "message": state.message,
        "expected": state.expected,
        "first_seen": iso(state.first_seen),
        "last_seen": iso(state.last_seen),
    }


def event(happened: Event) -> Json:
    """Return an event."""
    return {
        "id": happened.id,
        "at": iso(happened.at),
        "kind": happened.kind.value,
        "workstation": happened.workstation,
        "subject": happened.subject,
        "old": happened.old,
        "new": happened.new,
        "message": happened.message,
        "who": happened.who,
    }


def breaker(state: BreakerState, now: float) -> Json:
    """Return a breaker."""
    return {
        "key": _key(state.key),
        "state": state.state.value,
        "forced": None if state.forced is None else state.forced.value,
        "trial_running": state.trial_running,
        "retry_after_seconds": _finite(state.retry_after),
        "next_trial": None if state.retry_after is None else iso(now + state.retry_after),
        "trips": state.trips,
        "rejections": state.rejections,
        "failures": {severity.label: state.failures.get(severity, 0) for severity in Severity},
        "open_seconds": _finite(state.open_seconds),
        "last_trip": iso(state.last_trip),
        "policy": {
            "failures": state.policy.failures,
            "min_severity": state.policy.min_severity.label,
            "window_seconds": state.policy.window,
            "open_seconds": state.policy.open_time,
        },
    }
