"""Where and when a probe runs: in this process, after waiting for its place in a bounded lane, under its deadline.

Waiting is neither timed nor leased: the runner asks the breakers only when the place is taken. Sockets cost a
descriptor and nothing else, so their lane is as wide as the descriptors allow; the narrow lanes are fair: workstations
take turns, and suspects (their last run found no answer) hold at most half of the places, so that dead hosts can't
starve live ones.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, Protocol

from monitor.checks import AnyCheck, Reach
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Fact, Lane, Observation, Reason, Severity, Target

DESCRIPTORS_KEPT: Final = 128
"""File descriptors left to everything that is not a probe: the page, logs, sinks."""


SUSPECTS_TURN: Final = 4
"""Every so many places that are left, a suspect comes first: else a full lane would starve it for ever."""
THREADS: Final = 32
"""Places of the lane for checks that hold a thread."""


class LayeredReach(Reach, Protocol):
    """A reach that remembers which layer it was told of last, and what was learnt of the way."""

    layer: Category

    @property
    def facts(self) -> Mapping[str, Fact]:
        """What the transport told of itself so far (`monitor.transports.Completed.facts`)."""


class Places:
    """The bounded places of one lane, handed out in turn to workstations and only half of them to suspects."""

    def __init__(self, places: int) -> None:
        if places < 1:
            raise ValueError(f"places: {places} must be at least 1")
        self._free = places
        self._suspects_free = max(1, places // 2)
        self._left = 0
        self._trusted: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._suspects: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def take(self, workstation: str, *, suspect: bool) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._enter(workstation, suspect=suspect)
        try:
            yield
        finally:
            self._leave(suspect=suspect)

    async def _enter(self, workstation: str, *, suspect: bool) -> None:
        if self._grant(suspect=suspect):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._suspects if suspect else self._trusted
        waiting.setdefault(workstation, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(suspect=suspect)
            else:
                _withdraw(waiting, workstation, turn)
            raise

    def _grant(self, *, suspect: bool) -> bool:
        if self._free == 0 or (suspect and self._suspects_free == 0):
            return False
        self._free -= 1
        self._suspects_free -= suspect
        return True

    def _leave(self, *, suspect: bool) -> None:
        self._free += 1
        self._suspects_free += suspect
        self._left += 1
        if self._left % SUSPECTS_TURN == 0:
            self._serve(self._suspects, suspect=True, most=1)
        self._serve(self._trusted, suspect=False)
        self._serve(self._suspects, suspect=True)

    def _serve(
        self, waiting: OrderedDict[str, deque[asyncio.Future[None]]], *, suspect: bool, most: int | None = None
    ) -> None:
        while waiting and most != 0 and (self._free and (not suspect or self._suspects_free)):
            turn = _next(waiting)
            if not turn.cancelled():
                self._grant(suspect=suspect)
                turn.set_result(None)
                most = most - 1 if most is not None else None


def _next(waiting: OrderedDict[str, deque[asyncio.Future[None]]]) -> asyncio.Future[None]:
    """Take the first of the workstation whose turn it is, and send that workstation to the back."""
    workstation, queue = next(iter(waiting.items()))
    turn = queue.popleft()
    if queue:
        waiting.move_to_end(workstation)
    else:
        del waiting[workstation]
    return turn


def _withdraw(
    waiting: OrderedDict[str, deque[asyncio.Future[None]]], workstation: str, turn: asyncio.Future[None]
) -> None:
    queue = waiting.get(workstation)
    if queue is not None and turn in queue:
        queue.remove(turn)
        if not queue:
            del waiting[workstation]


class Dispatcher:
    """Runs probes in this process, each in its lane and under its deadline."""

    def __init__(
        self,
        *,
        checks: Mapping[str, AnyCheck],
        reach: Callable[[Target], LayeredReach],
        places: Mapping[Lane, int],
        kept_waiting: Callable[[Target, float], bool] = lambda *_: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the parts.

        Args:
            checks: By name.
            reach: Makes what a run may touch.
            places: Of each lane.
            kept_waiting: Whether a run waited for something of the monitor's own since a moment of `clock`; then a
                deadline it missed is nobody else's fault.
            clock: Monotonic seconds.

        """
        self._checks = checks
        self._reach = reach
        self._kept_waiting = kept_waiting
        self._clock = clock
        self._places = {lane: Places(places[lane]) for lane in Lane}

    @asynccontextmanager
    async def place(self, target: Target, *, suspect: bool) -> AsyncIterator[None]:
        """Wait for and hold a place in the target's lane."""
        async with self._places[target.lane].take(target.workstation.id, suspect=suspect):
            yield

    async def probe(self, target: Target) -> Observation:
        """Ask, within the target's timeout; what was learnt of the way there is added to the answer.

        Raises:
            ProbeError: Nobody answered properly. A deadline that struck is blamed on the layer the probe was at.
            LocalError: We could not ask.
            Exception: A defect of the check.

        """
        check = self._checks[target.kind]
        reach = self._reach(target)
        deadline, began = asyncio.timeout(target.timeout), self._clock()
        try:
            async with deadline:
                seen = await check.probe(target, target.params, reach)
        except TimeoutError:
            if deadline.expired() and self._kept_waiting(target, began):
                host = target.workstation.host
                raise LocalError(f"names that hang take the threads in which {host} would be looked up") from None
            if deadline.expired():
                raise struck(target, reach.layer) from None
            raise
        return replace(seen, facts={**reach.facts, **seen.facts}) if reach.facts else seen


def places(process: int) -> Mapping[Lane, int]:
    """Tell how many probes each lane takes: sockets as many as descriptors allow, subprocesses as configured."""
    sockets = 1_000_000
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not to be had on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            sockets = max(16, soft - DESCRIPTORS_KEPT)
    return {Lane.SOCKET: sockets, Lane.PROCESS: process, Lane.THREAD: THREADS}


def struck(target: Target, layer: Category) -> ProbeError:
    """Tell what a deadline means that strikes while a probe deals with `layer`."""
    scope = target.layer(layer).scope
    words = {
        Category.NETWORK: f"{scope}: no answer",
        Category.WORKSTATION: f"{scope}: login or command not done",
        Category.EXTERNAL: f"{scope}: started, and no answer",
        Category.EMULATOR: f"{scope}: the guest did not answer",
    }[layer]
    return ProbeError(
        f"{words} within {target.timeout:g} s", category=layer, severity=Severity.HIGH, reason=Reason.TIMEOUT
    )
