"""What is measured of checks, emulators and workstations: read of each of them at every scrape, so no more than that.

The states in `monitor.model` say more, for people; to make those of a large farm for numbers alone takes longer than to
write the numbers. The names are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monitor.model import Entity, Fact, HostFacts, Reason, Status, Target, Workstation


class CheckFigures(NamedTuple):
    """Of one check: see `monitor.model.CheckState`."""

    target: Target
    status: Status
    reason: Reason | None
    stale_since: float | None
    last_run: float | None
    last_duration: float | None
    last_success: float | None
    facts: Mapping[str, Fact]
    host: HostFacts | None


class EmulatorFigures(NamedTuple):
    """Of one emulator: see `monitor.model.EmulatorState`."""

    id: str
    entity: Entity
    state: str
    status: Status
    reason: Reason | None
    boot_seconds: float | None


class WorkstationFigures(NamedTuple):
    """Of one workstation and all that hangs on it: see `monitor.model.WorkstationState`."""

    workstation: Workstation
    status: Status
    checks: Sequence[CheckFigures]
    emulators: Sequence[EmulatorFigures]
