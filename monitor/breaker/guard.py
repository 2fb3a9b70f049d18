"""`with_circuit_breaker`: guards a method of whatever has `breakers` and a `workstation`, of any of four kinds.

How the end of a call is judged is in `monitor.breaker.hold`. Breakers, permits and events are importable from here.

* A plain function and a coroutine function hold their permit while they run. Calling a coroutine function asks nothing
  yet; awaiting does.
* A generator asks at its first step and holds the permit to its end, with all the consumer's work in between, so a
  slow consumer needs a `lease`. Exhausted, it succeeded. Closed early or dropped by its consumer it says nothing: the
  consumer lost interest, which is neutral whether or not the body had given something out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

from monitor.breaker.hold import Hold, Ignored
from monitor.breaker.machine import EventKind
from monitor.breaker.permit import Breaker, BreakerEvent, BreakerState, Listener, Permit
from monitor.breaker.registry import OPERATION, Breakers
from monitor.errors import CircuitOpen
from monitor.model import Category, Key

__all__ = [
    "Breaker",
    "BreakerEvent",
    "BreakerState",
    "EventKind",
    "Guarded",
    "Listener",
    "Permit",
    "with_circuit_breaker",
]


class Guarded(Protocol):
    """What the decorator needs of `self`."""

    @property
    def breakers(self) -> Breakers:
        """Where the breaker is looked up, at every call."""

    @property
    def workstation(self) -> str:
        """The workstation's id."""


G = TypeVar("G", bound=Guarded)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Y = TypeVar("Y")
S = TypeVar("S")

Scope = str | Callable[[Any], str]
Open = Callable[[Guarded], Hold]


class Guard(Protocol):
    """Wraps a method and keeps its signature."""

    def __call__(self, fn: Callable[Concatenate[G, P], R], /) -> Callable[Concatenate[G, P], R]:
        """Return `fn`, guarded."""


def with_circuit_breaker(
    category: Category,
    operation_name: str | None = None,
    *,
    scope: Scope = OPERATION,
    ignore: Ignored = (),
    lease: float | None = None,
) -> Guard:
    """Guard a method by the breaker ``(category, self.workstation, scope)`` of ``self.breakers``.

    Args:
        category: The layer it asks; its `ProbeError`s of this category count.
        operation_name: What to call it in the note on a refusal; None: the function's name.
        scope: The breaker's scope, or how to tell it from `self`.
        ignore: Types of error that say nothing about the layer.
        lease: Seconds one call may take as the trial; None: as the policy says.

    """

    def decorate(fn: Callable[Concatenate[G, P], R], /) -> Callable[Concatenate[G, P], R]:
        name = operation_name or fn.__name__

        def opened(self: Guarded) -> Hold:
            key = Key(category, self.workstation, scope if isinstance(scope, str) else scope(self))
            try:
                return Hold(self.breakers.get(key), ignore=ignore, lease=lease)
            except CircuitOpen as refusal:
                refusal.add_note(f"{name} was not called")
                raise

        wrap: Callable[[Callable[..., Any], Open], Callable[..., Any]] = _plain
        if inspect.iscoroutinefunction(fn):
            wrap = _coroutine
        elif inspect.isasyncgenfunction(fn):
            wrap = _async_generator
        elif inspect.isgeneratorfunction(fn):
            wrap = _generator
        return cast("Callable[Concatenate[G, P], R]", functools.wraps(fn)(wrap(fn, opened)))

    return decorate


def _plain(fn: Callable[..., T], opened: Open) -> Callable[..., T]:
    def guarded(self: Guarded, /, *args: object, **kwargs: object) -> T:
        with opened(self):
            result = fn(self, *args, **kwargs)
            if isinstance(result, (CoroutineType, GeneratorType, AsyncGeneratorType)):
                _drop(result)
                raise TypeError(f"{fn.__qualname__} returns a {type(result).__name__}: guard the function that is one")
            return result

    return guarded


def _drop(result: object) -> None:
    """Close what was never started, so that Python does not warn of it besides."""
    if isinstance(result, (CoroutineType, GeneratorType)):
        result.close()


def _coroutine(fn: Callable[..., Coroutine[Any, Any, T]], opened: Open) -> Callable[..., Coroutine[Any, Any, T]]:
    async def guarded(self: Guarded, /, *args: object, **kwargs: object) -> T:
        with opened(self):
            return await fn(self, *args, **kwargs)

    return guarded


class _Steps(Generator[Y, S, R], Generic[Y, S, R]):
    """A generator each of whose steps runs inside the hold, and nothing between them does."""

    def __init__(self, body: Generator[Y, S, R], hold: Hold) -> None:
        self._body = body
        self._hold = hold

    def send(self, value: S) -> Y:
        return self._inside(self._body.send, value)

    def throw(self, *exc: Any) -> Y:
        # Python's older form has three arguments (type, value, traceback), and calling it so is deprecated.
        return self._inside(self._body.throw, next((one for one in exc if isinstance(one, BaseException)), exc[0]))

    def close(self) -> None:
        self._hold.release()
        self._inside(self._body.close)

    def _inside(self, step: Callable[..., T], *args: object) -> T:
        self._hold.enter()
        try:
            return step(*args)
        finally:
            self._hold.leave()


def _generator(fn: Callable[..., Generator[Y, S, R]], opened: Open) -> Callable[..., Generator[Y, S, R]]:
    def guarded(self: Guarded, /, *args: object, **kwargs: object) -> Generator[Y, S, R]:
        hold = opened(self)
        try:
            result = yield from _Steps(fn(self, *args, **kwargs), hold)
        except BaseException as exc:
            hold.finish(exc)
            raise
        hold.finish(None)
        return result

    return guarded


async def _inside(hold: Hold, step: Awaitable[T]) -> T:
    """Await one step of an async generator inside the hold."""
    hold.enter()
    try:
        return await step
    finally:
        hold.leave()


def _async_generator(fn: Callable[..., AsyncGenerator[Y, S]], opened: Open) -> Callable[..., AsyncGenerator[Y, S]]:
    async def guarded(self: Guarded, /, *args: object, **kwargs: object) -> AsyncGenerator[Y, S]:
        hold = opened(self)
        try:
            body = fn(self, *args, **kwargs)
            step: Awaitable[Y] = body.__anext__()
            while True:  # what ``yield from`` would be
                value = await _inside(hold, step)
                try:
                    sent = yield value
                except GeneratorExit:
                    hold.release()
                    await _inside(hold, body.aclose())
                    raise
                except BaseException as exc:  # noqa: BLE001 - handed on to the body, which raises it unless it minds it
                    step = body.athrow(exc)
                else:
                    step = body.asend(sent)
        except StopAsyncIteration:
            hold.finish(None)
        except BaseException as exc:
            hold.finish(exc)
            raise

    return guarded
