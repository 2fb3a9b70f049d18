"""The way to a workstation's console: its path of breakers, and work done along it under a deadline.

Work holds a permit of each layer it passes, outermost first, only while it is under way, and settles with them as the
runner does: the layer an error names failed, those before it answered, those after it were not reached. A lifecycle
operation of minutes thus holds nobody's trial but its own between two commands.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast

from monitor.breaker.hold import Hold
from monitor.breaker.registry import OPERATION, Breakers
from monitor.checks import path_of
from monitor.checks.ldplayer import CHECK, Params
from monitor.dispatch import LayeredReach, struck
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Key, Target, Workstation
from monitor.transports import AnyTransportKind, Completed

MARGIN: Final = 5.0
"""Seconds a trial's lease outlasts the deadline of the work that holds it."""
_ANYTHING: Final = ("whoami",)
"""A command every host has; whatever it prints, it proves that commands run."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Way:
    """How one workstation's console is reached.

    Args:
        machine: The workstation.
        kind: The kind of its transport.
        breakers: Where each layer has its breaker.
        reach: Makes what one piece of work may touch.
        console: The emulator console's program.
        timeout: Seconds for one command.

    """

    def __init__(
        self,
        machine: Workstation,
        *,
        kind: AnyTransportKind,
        breakers: Breakers,
        reach: Callable[[Target], LayeredReach],
        console: str,
        timeout: float,
    ) -> None:
        self.machine = machine
        self.params = Params(console=console)
        self.target = Target(
            workstation=machine,
            name="operations",
            kind=CHECK.name,
            params=self.params,
            path=path_of(CHECK, self.params, machine, kind),
            interval=timeout,
            timeout=timeout,
        )
        endpoint = self.target.path[0]
        self.endpoint = endpoint.scope if endpoint.category is Category.NETWORK else kind.name
        """The scope of the NETWORK layer; the transport's name when no network lies between."""
        self._breakers = breakers
        self._reach = reach

    def admit(self, to: Category) -> None:
        """Refuse at once, before any work, when a layer up to `to` would.

        Nobody's trial is taken by asking.

        Raises:
            CircuitOpen: Of the outermost layer that is open.

        """
        for key in self._through(to):
            breaker = self._breakers.get(key)
            if breaker.snapshot().retry_after:
                Hold(breaker).release()

    def widen(self, operation: float) -> None:
        """Let the breakers count failures as far apart as our deadlines make them.

        Three starts that fail by a deadline of minutes never fall into one minute. A window is only ever widened, and
        not at all when the operator chose it.

        Args:
            operation: Seconds one lifecycle operation may take.

        """
        within = dict.fromkeys(self.target.path, self.target.timeout)
        within[Key(Category.EMULATOR, self.machine.id, OPERATION)] = operation
        for key, seconds in within.items():
            breaker = self._breakers.get(key)
            breaker.adopt(breaker.policy.widened(0, seconds))

    async def along(self, to: Category, work: Callable[[LayeredReach], Awaitable[T]]) -> T:
        """Do work that passes every layer up to `to`.

        Raises:
            CircuitOpen: A layer refused; nothing was sent.
            ProbeError: It failed, or its deadline struck: then the layer it dealt with is blamed.

        """
        with _Passage(self._breakers, self._through(to), self.target.timeout + MARGIN):
            reach = self._reach(self.target)
            deadline = asyncio.timeout(self.target.timeout)
            try:
                async with deadline:
                    return await work(reach)
            except TimeoutError:
                if deadline.expired():
                    raise struck(self.target, reach.layer) from None
                raise

    async def beside(self, target: Target, work: Callable[[LayeredReach], Awaitable[T]]) -> T | None:
        """Ask what a check of the workstation asks; None: there is no answer, and none is needed.

        It says nothing of any layer, for that is the check's business; a layer that is open is left in peace.
        """
        if any(found.snapshot().retry_after for key in target.path if (found := self._breakers.find(key)) is not None):
            return None
        try:
            async with asyncio.timeout(target.timeout):
                return await work(self._reach(target))
        except (TimeoutError, ProbeError, LocalError):
            return None

    async def run(self, argv: Sequence[str]) -> Completed:
        """Run a command of the workstation itself."""
        return await self.along(Category.WORKSTATION, lambda reach: reach.run(argv))

    async def connect(self) -> None:
        """Reach the workstation, log in and run something."""
        await self.run(_ANYTHING)

    def _through(self, to: Category) -> tuple[Key, ...]:
        return self.target.path[: self.target.path.index(self.target.layer(to)) + 1]


class _Passage:
    """Permits of several layers, outermost first, held by one block and settled by where it failed."""

    def __init__(self, breakers: Breakers, keys: Sequence[Key], lease: float) -> None:
        self._holds: list[Hold] = []
        try:
            for key in keys:
                self._holds.append(Hold(breakers.get(key), lease=lease))
        except BaseException:
            for hold in self._holds:
                hold.release()
            raise

    def __enter__(self) -> None:
        for hold in self._holds:
            hold.enter()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for hold in reversed(self._holds):
            hold.leave()
        layers = [hold.breaker.key.category for hold in self._holds]
        reached = len(layers) if exc is None else 0
        if isinstance(exc, ProbeError) and exc.category in layers:
            reached = layers.index(exc.category)
            self._holds[reached].finish(exc)
        for at, hold in enumerate(self._holds):  # the one that failed has its verdict and keeps it
            if at < reached:
                hold.finish(None)
            else:
                hold.release()


class Traveller(Protocol):
    """What `travels` needs of `self`."""

    @property
    def way(self) -> Way:
        """Where its operations travel along."""


V = TypeVar("V", bound=Traveller)


class Admission(Protocol):
    """Wraps a method and keeps its signature."""

    def __call__(self, fn: Callable[Concatenate[V, P], R], /) -> Callable[Concatenate[V, P], R]:
        """Return `fn`, refused early."""


def travels(to: Category) -> Admission:
    """Let a guarded operation be refused by the layers it will pass, before it asks its own breaker or does anything.

    Goes above ``with_circuit_breaker``, so that the outermost layer refuses first.
    """

    def decorate(fn: Callable[Concatenate[V, P], R], /) -> Callable[Concatenate[V, P], R]:
        plain = cast("Callable[..., Any]", fn)

        if inspect.iscoroutinefunction(fn):

            async def admitted_coroutine(self: Traveller, *args: object, **kwargs: object) -> object:
                self.way.admit(to)
                return await plain(self, *args, **kwargs)

            return cast("Callable[Concatenate[V, P], R]", functools.wraps(fn)(admitted_coroutine))

        def admitted(self: Traveller, *args: object, **kwargs: object) -> object:
            self.way.admit(to)
            return plain(self, *args, **kwargs)

        return cast("Callable[Concatenate[V, P], R]", functools.wraps(fn)(admitted))

    return decorate
