"""What an operator may do by API, carried out: breakers are forced and reset, operations on emulators are noted."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from monitor.breaker.permit import BreakerState
from monitor.breaker.registry import Breakers
from monitor.events import Kind
from monitor.fleet import Fleet
from monitor.model import Key
from monitor.store import Memory
from monitor.web import Action, Operation

_log = structlog.get_logger("monitor")


class Hand:
    """An operator's hand in the service; see `monitor.web.sources.Operator`."""

    def __init__(
        self, *, breakers: Breakers, fleet: Fleet, memory: Memory, wall: Callable[[], float] = time.time
    ) -> None:
        self._breakers = breakers
        self._fleet = fleet
        self._memory = memory
        self._wall = wall

    def act(self, key: Key, action: Action, *, who: str, why: str) -> BreakerState | None:
        """Carry out an operator's action on a breaker; None: there is no such breaker."""
        breaker = self._breakers.find(key)
        if breaker is None:
            return None
        _log.warning("operator acts on a breaker", action=action.value, breaker=str(key), who=who, why=why)
        {
            Action.FORCE_OPEN: breaker.force_open,
            Action.FORCE_CLOSE: breaker.force_closed,
            Action.RESET: breaker.reset,
        }[action](who=who, why=why)
        return breaker.snapshot()

    def told(self, workstation: str, emulator: str) -> bool:
        """Take note that an emulator was told to start or stop; False: there is no such emulator."""
        return self._fleet.told(workstation, emulator, self._wall())

    def carried_out(self, workstation: str, operation: Operation) -> bool:
        """Remember what was done to an emulator; False: there is no such workstation."""
        if self._fleet.workstation(workstation) is None:
            return False
        event = self._memory.stamp.event(
            Kind.OPERATION,
            workstation=workstation,
            subject=operation.emulator,
            new=operation.outcome,
            message=f"{operation.name}: {operation.message}",
            who=operation.who,
        )
        self._memory.add(event)
        return True
