"""A guarded call while it runs: which permit it goes on, who else up the call chain holds one, whom its error blames.

How a call's end is judged, by type alone:

* It returned: success.
* A `ProbeError` of the breaker's category that no inner guard has counted yet: failure, with the error's severity.
* Anything else: neutral. A `ProbeError` of another layer is counted there; `CircuitOpen` and `LocalError` say nothing
  of the host; cancellation, `GeneratorExit` and `KeyboardInterrupt` end a call without a verdict; and a plain
  `Exception` is a defect of ours, since adapters classify at their border: only a `ProbeError` ever counts.
* An `ExceptionGroup` is as bad as the worst of its members.

A call nested in one that holds the same key goes along on its permit: it asks for none, and its outcome is the outer
call's business. That is known by a context variable, so it follows tasks and `asyncio.to_thread`; values are put back
by hand, never by `Token.reset`, because a generator's steps may run in several contexts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Final

from monitor.errors import ProbeError
from monitor.model import Severity

if TYPE_CHECKING:  # `Breaker` is a block, and a block is a hold
    from monitor.breaker.permit import Breaker, Permit

_HELD: ContextVar[tuple[Hold, ...]] = ContextVar("emuwatch_held", default=())
_NUMBERS: Final = itertools.count(1)
_COUNTED: Final = "_emuwatch_counted"
"""On an error: the numbers of the enclosing holds in which it must not count again. Numbers keep nothing alive."""

Ignored = tuple[type[BaseException], ...]


class Hold:
    """One guarded call, from its permit to its verdict.

    Args:
        breaker: Whom to ask.
        ignore: Types that are neutral here.
        lease: Seconds it may take as the trial; None: as the policy says.
        block: Whether it is a ``with`` block of the breaker.

    Raises:
        CircuitOpen: The breaker refused.

    """

    __slots__ = ("_block", "_ignore", "_inner", "_outer", "_permit", "breaker", "number")

    def __init__(
        self, breaker: Breaker, *, ignore: Ignored = (), lease: float | None = None, block: bool = False
    ) -> None:
        self.breaker = breaker
        self.number = next(_NUMBERS)
        self._ignore = ignore
        self._block = block
        self._outer: tuple[Hold, ...] = ()
        self._inner: tuple[Hold, ...] = ()
        self._permit: Permit | None = None if self._owner() else breaker.acquire(lease)

    @classmethod
    def of_block(cls, breaker: Breaker) -> Hold | None:
        """Find the innermost ``with`` block of `breaker`; None when it was entered in another context."""
        return next((hold for hold in reversed(_HELD.get()) if hold.breaker is breaker and hold._block), None)  # noqa: SLF001 - its own class

    # ------------------------------------------------------------------------------------------- while the body runs
    def enter(self) -> None:
        """The body begins, or goes on: calls from here on are nested."""
        self._outer = _HELD.get()
        _HELD.set((*self._outer, self, *self._inner))

    def leave(self) -> None:
        """The body ended, or gave a value out: what the consumer calls is not nested."""
        held, depth = _HELD.get(), len(self._outer)
        if len(held) > depth and held[depth] is self:
            self._inner = held[depth + 1 :]  # blocks the body is still inside of
            _HELD.set(self._outer)
        self._outer = ()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        self.finish(exc)

    # ------------------------------------------------------------------------------------------------- the verdict
    def finish(self, exc: BaseException | None) -> None:
        """Settle the permit by how the call ended; a nested call leaves that to its owner."""
        if exc is None:
            if self._permit is not None:
                self._permit.success()
            return
        severity = self._weigh(exc)
        if self._permit is None:
            return
        if severity is None:
            self._permit.release()
        else:
            self._permit.failure(severity)

    def release(self) -> None:
        """End without a verdict."""
        if self._permit is not None:
            self._permit.release()

    # ------------------------------------------------------------------------------------------------- inside
    def _owner(self) -> Hold | None:
        """The call up the chain on whose permit this one can go."""
        for hold in reversed(_HELD.get()):
            if hold is not self and hold._permit is not None and hold._permit.serves(self.breaker):  # noqa: SLF001 - its own class
                return hold
        return None

    def _weigh(self, exc: BaseException) -> Severity | None:
        """How bad the error is for this layer, None for not at all; what counts here counts in no call around."""
        counting = [error for error in _members(exc) if self._counts(error)]
        if counting and (around := _HELD.get()):
            numbers = frozenset(hold.number for hold in self._between(around))
            for error in counting:
                error.__dict__[_COUNTED] = numbers
        return max((error.severity for error in counting), default=None)

    def _counts(self, error: ProbeError) -> bool:
        return (
            error.category is self.breaker.key.category
            and not isinstance(error, self._ignore)
            and self.number not in error.__dict__.get(_COUNTED, ())
        )

    def _between(self, around: tuple[Hold, ...]) -> tuple[Hold, ...]:
        """The calls around in which an error of this one must not count: all, or those inside of the owner."""
        owner = None if self._permit is not None else self._owner()
        return around if owner is None else around[around.index(owner) + 1 :]


def _members(exc: BaseException) -> Iterator[ProbeError]:
    """Every `ProbeError` in an exception; a group in which something is no `Exception` has none."""
    if isinstance(exc, ProbeError):
        yield exc
    elif isinstance(exc, ExceptionGroup):
        for member in exc.exceptions:
            yield from _members(member)
