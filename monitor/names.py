"""Names of hosts, looked up in threads of their own, so that a name server that hangs holds up nobody else.

An event loop looks names up in a few threads it shares with whatever else may block (uvloop: with nobody, but in no
more than two at once). Some names whose server hangs fill them, and then healthy hosts wait, and look dead. Serving a
loop, `Names` takes the place of its `getaddrinfo`, so every library that looks a name up on that loop is bounded here:

* One thread at a time for a name, whoever asks; who asks the same shares the answer.
* A name is trusted once its latest look-up was quick. All others, new ones and those that hung, get half of the
  threads at most, so whatever hangs, a name that did not hang before finds a thread.
* An address needs no look-up and never waits.

The look-up is the system's: a farm's workstations are often known by /etc/hosts, mDNS, LLMNR or NetBIOS only, which a
DNS library does not ask. It can't be given up, so its thread is a daemon: one that hangs does not delay our end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from monitor.errors import LocalError

THREADS: Final = 64
"""Look-ups at once."""
QUICK: Final = 1.0
"""Seconds a look-up may take without being taken for one that hangs."""
PATIENCE: Final = 3.0
"""Seconds to wait for a thread; then we could not ask."""
NOTICED: Final = 0.1
"""Seconds of waiting for a thread that can make a run miss its deadline."""
KEPT: Final = 60.0
"""Seconds an answer that came too late for whoever asked is kept for who asks next."""
REMEMBERED: Final = 4096
"""Names whose record is kept: a web server that redirects anywhere must not fill the memory."""

Infos = list[Any]
"""What `socket.getaddrinfo` returns: handed on as it is, but for the port."""


class BusyError(LocalError):
    """Every thread is taken by names that hang."""


class _Question(NamedTuple):
    """What `socket.getaddrinfo` is asked; a port that is a number makes no difference to it."""

    host: str
    service: str | None
    family: int
    type: int
    proto: int
    flags: int


class _Answer:
    """The answer to a question, and how many wait for it."""

    def __init__(self, future: asyncio.Future[Infos]) -> None:
        self.future = future
        self.future.add_done_callback(lambda done: done.exception())  # whoever asked may be gone
        self.askers = 0


class _Name:
    """A name somebody asks for."""

    def __init__(self, asked_at: float) -> None:
        self.waiting: dict[_Question, _Answer] = {}
        self.asked_at = asked_at
        """Since when it waits for a thread."""
        self.began_at: float | None = None
        """Since when a thread is at it."""
        self.trusted = False


class _Record:
    """What is remembered of a name."""

    def __init__(self) -> None:
        self.quick = False
        self.kept_waiting_at = float("-inf")
        self.late: dict[_Question, tuple[float, Infos]] = {}


class Names:
    """Looks names up for one event loop."""

    def __init__(
        self, *, threads: int = THREADS, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threads = threads
        self._patience = patience
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: dict[str, _Name] = {}
        self._queues: dict[bool, dict[str, _Name]] = {True: {}, False: {}}
        """Names that wait for a thread: the trusted, and the others."""
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look names up for this loop from now on, whoever asks it."""
        self._loop = loop
        loop.getaddrinfo = self.getaddrinfo  # type: ignore[method-assign] # where every library asks

    def leave(self) -> None:
        """Let the loop look names up by itself again."""
        loop, self._loop = self._loop, None
        if loop is not None and vars(loop).get("getaddrinfo") == self.getaddrinfo:
            del loop.getaddrinfo

    def kept_waiting(self, host: str, since: float) -> bool:
        """Whether a look-up of `host` had to wait for a thread, since a moment of the clock."""
        name, record = self._asked.get(host), self._records.get(host)
        if name is not None and name.began_at is None and self._clock() - name.asked_at > NOTICED:
            return True
        return record is not None and record.kept_waiting_at >= since

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name for it
        proto: int = 0,
        flags: int = 0,
    ) -> Infos:
        """Do what `asyncio.loop.getaddrinfo` does.

        Raises:
            OSError: `socket.gaierror`: there is no such name.
            UnicodeError: It can't even be asked for.
            BusyError: No thread became free in time.

        """
        try:
            return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            if not host or flags & socket.AI_NUMERICHOST:
                raise
        number = port if isinstance(port, int) else 0
        service = port.decode() if isinstance(port, bytes) else port if isinstance(port, str) else None
        host = host.decode() if isinstance(host, bytes) else host
        found = await self._ask(_Question(host, service, family, type, proto, flags))
        if service is not None:
            return found
        return [(*kind, (where[0], number, *where[2:])) for *kind, where in found]

    async def _ask(self, question: _Question) -> Infos:
        late = self._record(question.host).late.pop(question, None)
        if late is not None and self._clock() - late[0] <= KEPT:
            return late[1]
        name = self._asked.get(question.host)
        if name is None:
            name = self._asked[question.host] = _Name(self._clock())
            self._queue(question.host, name)
        answer = name.waiting.get(question)
        if answer is None:
            answer = name.waiting[question] = _Answer(asyncio.get_running_loop().create_future())
        self._start()
        answer.askers += 1
        try:
            done, _ = await asyncio.wait({answer.future}, timeout=self._patience)
            if not done and name.began_at is None:
                raise BusyError(f"cannot look {question.host} up: every thread for it is taken by names that hang")
            await asyncio.wait({answer.future})
        finally:
            answer.askers -= 1
        return answer.future.result()

    def _record(self, host: str) -> _Record:
        record = self._records.setdefault(host, _Record())
        self._records.move_to_end(host)
        if len(self._records) > REMEMBERED:
            self._records.popitem(last=False)
        return record

    def _queue(self, host: str, name: _Name) -> None:
        name.trusted = self._record(host).quick
        name.asked_at, name.began_at = self._clock(), None
        self._queues[name.trusted][host] = name

    def _start(self) -> None:
        """Give free threads to names that wait: the trusted first, to the others while they hold less than half."""
        for trusted, queue in self._queues.items():
            while queue and self._free(trusted=trusted):
                host = next(iter(queue))
                self._begin(host, queue.pop(host))

    def _free(self, *, trusted: bool) -> bool:
        """Whether there is a thread for a name that is trusted, or is not; a look-up that is slow now is not."""
        running = [(name, name.began_at) for name in self._asked.values() if name.began_at is not None]
        if trusted or len(running) >= self._threads:
            return len(running) < self._threads
        quick = sum(name.trusted and self._clock() - began_at <= QUICK for name, began_at in running)
        return len(running) - quick < max(1, self._threads // 2)

    def _begin(self, host: str, name: _Name) -> None:
        name.began_at = self._clock()
        if name.began_at - name.asked_at > NOTICED:
            self._record(host).kept_waiting_at = name.began_at
        question = next(iter(name.waiting))
        loop = asyncio.get_running_loop()
        work = threading.Thread(target=self._work, args=(loop, question), name=f"look up {host}", daemon=True)
        try:
            work.start()
        except RuntimeError as exc:  # the system gives no further thread
            loop.call_soon(self._done, question, BusyError(f"cannot look {host} up: {exc}"))

    def _work(self, loop: asyncio.AbstractEventLoop, question: _Question) -> None:
        outcome: Infos | Exception
        try:
            outcome = socket.getaddrinfo(*question)
        except Exception as exc:  # noqa: BLE001 - handed to whoever asked
            outcome = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(self._done, question, outcome)

    def _done(self, question: _Question, outcome: Infos | Exception) -> None:
        host, now = question.host, self._clock()
        name, record = self._asked[host], self._record(question.host)
        answer = name.waiting.pop(question)
        record.quick = now - (name.began_at or now) <= QUICK
        if isinstance(outcome, Exception):
            answer.future.set_exception(outcome)
        else:
            answer.future.set_result(outcome)
            if not answer.askers:
                record.late[question] = (now, outcome)
        if name.waiting:
            self._queue(host, name)
        else:
            del self._asked[host]
        self._start()
