"""Run some checks once, through the same runner as the service, with breakers that remember nothing and never trip.

Else the checks of one look that come last at a dead layer would be refused, and nobody would know what they find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from monitor.breaker.policy import Policy
from monitor.breaker.registry import Breakers
from monitor.checks import discover as discover_checks
from monitor.config import Config
from monitor.dispatch import Dispatcher, places
from monitor.fleet import Fleet
from monitor.model import Category, Target, WorkstationState
from monitor.names import Names
from monitor.reach import Transports
from monitor.recording import Recorder
from monitor.runner import Runner
from monitor.transports import discover as discover_transports

NEVER: Final = 1_000_000
"""Failures that trip a breaker of one look: more than it has checks."""


async def probe_once(config: Config, targets: Sequence[Target], *, record: Recorder | None = None) -> WorkstationState:
    """Probe targets of one workstation once, all at the same time.

    Args:
        config: Where they come from.
        targets: At least one, all of the same workstation. One run is believed at once, whatever `down_after` says.
        record: Keeps what the host answered; None: nothing is kept.

    Returns:
        What that one look says of the workstation.

    """
    once = [replace(target, down_after=1, up_after=1) for target in targets]
    workstation = once[0].workstation
    transports = Transports(kinds=discover_transports(), credentials=config.credentials, record=record)
    names = Names()
    names.serve(asyncio.get_running_loop())
    fleet = Fleet()
    fleet.replace([workstation], once)
    runner = Runner(
        breakers=Breakers(policies=dict.fromkeys(Category, Policy(failures=NEVER))),
        dispatcher=Dispatcher(
            checks=discover_checks(),
            reach=transports.reach,
            places=places(config.process_places),
            kept_waiting=lambda target, since: names.kept_waiting(target.workstation.host, since),
        ),
    )
    try:
        for result in await asyncio.gather(*map(runner.run, once)):
            fleet.apply(result)
    finally:
        await transports.aclose()
        names.leave()
    state = fleet.workstation(workstation.id)
    assert state is not None, "the fleet was given this workstation"  # noqa: S101 - for the type checker
    return state
