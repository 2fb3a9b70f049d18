"""One target, once: a place, a permit from each breaker of its path, the probe, and a result. Never raises.

Only this module asks breakers on behalf of probes and settles with them: the layer an error names fails, those before
it answered, those after it were not reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from monitor.breaker.permit import Permit
from monitor.breaker.registry import Breakers
from monitor.dispatch import Dispatcher
from monitor.errors import CircuitOpen, LocalError, ProbeError
from monitor.model import Blocked, Category, Key, Outcome, Reason, Result, Target

LEASE_MARGIN: Final = 5.0
"""Seconds a trial's lease outlasts the deadline of the probe that holds it."""
LOST: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.RESET, Reason.SHELL_LOST})
"""What a lost network looks like at any layer: a connection that is kept stalls wherever the run happens to be."""

_log = structlog.get_logger(__name__)


class Runner:
    """Runs targets through their breakers."""

    def __init__(
        self,
        *,
        breakers: Breakers,
        dispatcher: Dispatcher,
        suspect: Callable[[Target], bool] = lambda _: False,
        stalled: Callable[[float], bool] = lambda _: False,
        cut_off: Callable[[float], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Keep the parts.

        Args:
            breakers: Where each key of a path has its breaker.
            dispatcher: Where probes run.
            suspect: Whether the last run of a target found no answer; such wait in the slower half of their lane.
            stalled: Whether our own event loop stood still since a moment of `clock`; a deadline missed then is ours.
            cut_off: Why we were cut off from the network at some time since a moment of `clock`; empty: we were not.
            clock: Monotonic seconds.
            wall: Unix time, for stamps.

        """
        self._breakers = breakers
        self._dispatcher = dispatcher
        self._suspect = suspect
        self._stalled = stalled
        self._cut_off = cut_off
        self._clock = clock
        self._wall = wall

    async def run(
        self,
        target: Target,
        *,
        begun: Callable[[], None] | None = None,
        wanted: Callable[[Target], bool] = lambda _: True,
    ) -> Result:
        """Probe a target once, if its breakers let it.

        Args:
            target: What to ask.
            begun: Called when its place is taken.
            wanted: Asked then whether it should still be probed; otherwise nothing is sent, and no breaker asked.

        """
        async with self._dispatcher.place(target, suspect=self._suspect(target)):
            if not wanted(target):
                return self.skipped(target)
            if begun is not None:
                begun()
            permits: list[Permit] = []
            try:
                for key in target.path:
                    permit = self._breakers.get(key).acquire(target.timeout + LEASE_MARGIN)
                    permits.append(permit)  # one by one: those held when one is refused must be released
                return await self._probe(target, permits)
            except CircuitOpen as refusal:
                blocked = Blocked(refusal.key, refusal.retry_after)
                return Result(target=target, outcome=Outcome.SUPPRESSED, at=self._wall(), blocked=blocked)
            finally:
                for permit in permits:
                    permit.release()

    def skipped(self, target: Target) -> Result:
        """Tell of a run that did not start because the one before it is still going."""
        return Result(target=target, outcome=Outcome.SKIPPED, at=self._wall())

    async def _probe(self, target: Target, permits: Sequence[Permit]) -> Result:
        started = self._clock()
        try:
            observation = await self._dispatcher.probe(target)
        except ProbeError as error:
            ours = self._our_fault(target, error, started)
            if ours:
                return self._local(target, started, ours)
            return self._failed(target, permits, error, started)
        except LocalError as error:
            return self._local(target, started, str(error))
        except Exception as error:  # noqa: BLE001 - a check is a stranger's code; its defect is ours, not the host's
            _log.exception("check raised", target=target.id)
            return self._local(target, started, f"defect of the check: {type(error).__name__}")
        for permit in permits:
            permit.success()
        return Result(
            target=target,
            outcome=Outcome.SUCCESS,
            at=self._wall(),
            duration=self._clock() - started,
            observation=observation,
        )

    def _our_fault(self, target: Target, error: ProbeError, started: float) -> str:
        """Say why a failure is no evidence against anybody but us; empty: it is."""
        if error.reason is Reason.TIMEOUT and self._stalled(started):
            return "our own event loop stood still while it was asked"
        lost = error.category is Category.NETWORK or error.reason in LOST
        return self._cut_off(started) if lost and target.path[0].category is Category.NETWORK else ""

    def _failed(self, target: Target, permits: Sequence[Permit], error: ProbeError, started: float) -> Result:
        return Result(
            target=target,
            outcome=Outcome.TIMEOUT if error.reason is Reason.TIMEOUT else Outcome.FAILURE,
            at=self._wall(),
            duration=self._clock() - started,
            failure=error.failure(),
            tripped=settle(target, permits, error),
        )

    def _local(self, target: Target, started: float, why: str) -> Result:
        duration = self._clock() - started
        return Result(target=target, outcome=Outcome.ERROR, at=self._wall(), duration=duration, local=why)


def settle(target: Target, permits: Sequence[Permit], error: ProbeError) -> Key | None:
    """Settle a path by layer: before the one the error names all answered, that one failed, the rest is released.

    Returns:
        The key of the breaker this error opened, if it did.

    """
    culprit = target.layer(error.category)
    for key, permit in zip(target.path, permits, strict=True):
        if key == culprit:
            return key if permit.failure(error) else None
        permit.success()
    return None
