"""An event loop on a thread of its own, for callers that have none, or are busy inside of one.

The thread starts with the first work and ends with `close`; work after that starts another. Context variables follow
the caller's work over, so a breaker held by the caller is known there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Final, Generic, TypeVar

from monitor.errors import LocalError

_WAKE: Final = 0.5
"""Seconds a caller sleeps at most before it can see a signal: some platforms wake no sleeper for one."""
_ENDING: Final = 15.0
"""Seconds that work given up may take to clean up behind itself."""

T = TypeVar("T")


class Bridge:
    """Runs coroutines for callers on any thread.

    Args:
        name: The thread's name.

    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: _LoopThread | None = None

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine to its end, blocking this thread whatever else runs on it.

        An interrupt (KeyboardInterrupt) cancels the work and waits until it has cleaned up.

        Raises:
            LocalError: The bridge was closed meanwhile.
            RuntimeError: Called from the bridge's own thread, which would wait for itself.

        """
        with self._lock:
            if self._loop is None:
                self._loop = _LoopThread(self._name)
                weakref.finalize(self, self._loop.stop)
            loop = self._loop
        if loop.is_current():
            raise RuntimeError("a blocking operation was called from the bridge's own thread; use the async one")
        return loop.run(work)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """End all work, run `last`, and end the thread; does nothing when none runs."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close(last)


class _LoopThread:
    """One life of the thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._works: set[_Work[Any]] = set()
        self._thread = threading.Thread(target=_serve, args=(self._loop,), name=name, daemon=True)
        self._thread.start()

    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def run(self, coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
        work = _Work(coroutine)
        self._works.add(work)
        try:
            self._begin(work)
            while not work.outcome.done() and self._thread.is_alive():
                wait([work.outcome], timeout=_WAKE)
        except BaseException:
            self._give_up(work)
            raise
        finally:
            self._works.discard(work)
        if work.outcome.cancelled() or not work.outcome.done():
            raise LocalError("disconnected while the work was under way")
        return work.outcome.result()

    def _begin(self, work: _Work[Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(work.begin)
        except RuntimeError as exc:
            raise LocalError("disconnected before the work began") from exc

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        for work in tuple(self._works):
            self._give_up(work)
        try:
            if last is not None and not self.is_current():
                self.run(last)
        finally:
            self.stop()
            if not self.is_current():
                self._thread.join(_ENDING)

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _give_up(self, work: _Work[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and no work on it
            self._loop.call_soon_threadsafe(work.cancel)
            wait([work.outcome], timeout=_ENDING)


class _Work(Generic[T]):
    """A coroutine on its way over the bridge."""

    def __init__(self, coroutine: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.outcome: Future[T] = Future()
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        """Start it; on the loop, in the caller's context."""
        self._task = asyncio.get_running_loop().create_task(self._coroutine())
        self._task.add_done_callback(self._settle)

    def cancel(self) -> None:
        """Give it up; on the loop."""
        if self._task is None:
            self._give_out()
        else:
            self._task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._give_out()
        elif (failed := task.exception()) is not None:
            self.outcome.set_exception(failed)
        else:
            self.outcome.set_result(task.result())

    def _give_out(self) -> None:
        self.outcome.cancel()
        self.outcome.set_running_or_notify_cancel()  # wakes who waits


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, then end whatever is left on it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
