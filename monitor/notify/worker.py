"""Delivers the messages of one channel, one after the other: retried with back-off, under a breaker of its own.

A permanent error (a refused token, an address that is gone) is not retried: the message is given up, and the channel
is shown as broken until one gets through. Losing a channel and having it back is one line in the log each.
"""

from __future__ import annotations

import asyncio
import enum
import random as chance
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from monitor.breaker.machine import Policy, State
from monitor.breaker.permit import Breaker
from monitor.channels import Sender
from monitor.errors import CircuitOpen
from monitor.model import Category, Key, Severity
from monitor.notices import Message
from monitor.notify.outbox import Entry, Outbox
from monitor.notify.payload import loads
from monitor.posting import NotSentError

FIRST: Final = 2.0
FACTOR: Final = 2.0
LONGEST: Final = 300.0
"""Seconds until a message is tried again: the first time, by how much longer each time, at most."""
GIVE_UP: Final = 86_400.0
"""Seconds after which a message is told to nobody any more."""
IDLE: Final = 30.0
"""Seconds between two looks when there is nothing to do."""
GUARD: Final = Policy(failures=3, window=600.0, open_time=15.0, backoff_factor=2.0, backoff_cap=300.0, jitter=0.2)

_log = structlog.get_logger("monitor.notify")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """How a channel is doing."""

    name: str
    kind: str
    well: bool | None
    """Whether the last attempt succeeded; None: there was none."""
    since: float | None
    """Unix time since which that is so."""
    problem: str
    """Why not, in words; empty while it is well."""
    permanent: bool
    """Whether it stays like that until somebody changes the config."""
    pending: int
    """Messages that wait."""


class Ended(enum.StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    """It is tried again."""
    DROPPED = "dropped"
    """It is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to tell something."""

    channel: str
    message: Message
    outcome: Ended
    problem: str = ""

    @property
    def final(self) -> bool:
        """Whether the message is settled by it."""
        return self.outcome is not Ended.FAILURE


class Worker:
    """One channel. `run` goes on until it is cancelled."""

    def __init__(  # noqa: PLR0913 - all but four by name
        self,
        name: str,
        kind: str,
        sender: Sender,
        outbox: Outbox,
        *,
        timeout: float,
        told: Callable[[Attempt], None],
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Do nothing yet.

        Args:
            name: The channel's.
            kind: What it is.
            sender: Sends.
            outbox: Where messages wait.
            timeout: Seconds one attempt may take.
            told: Told of every attempt.
            wall: Unix time.
            random: From 0 to 1, for jitter.

        """
        self.name = name
        self._kind = kind
        self._sender = sender
        self._outbox = outbox
        self._timeout = timeout
        self._told = told
        self._wall = wall
        self._random = random
        self._breaker = Breaker(Key(Category.NETWORK, "", f"notify:{name}"), GUARD, random=random)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._well: bool | None = None
        self._since: float | None = None
        self._problem = ""
        self._permanent = False

    def wake(self) -> None:
        """Say that there is something to deliver."""
        self._idle.clear()
        self._wake.set()

    def status(self) -> ChannelStatus:
        """How it is doing."""
        return ChannelStatus(
            name=self.name,
            kind=self._kind,
            well=self._well,
            since=self._since,
            problem=self._problem,
            permanent=self._permanent,
            pending=self._outbox.waiting().get(self.name, 0),
        )

    async def drained(self) -> None:
        """Wait until nothing is left that could be delivered now."""
        await self._idle.wait()

    async def run(self) -> None:
        """Deliver."""
        try:
            while True:
                self._wake.clear()
                if not await self._step():
                    self._idle.set()
                    await self._pause()
        finally:
            await self._sender.aclose()

    async def refresh(self, message: Message) -> None:
        """Send again what is still wrong, beside the outbox; what fails is tried again at the next refresh."""
        try:
            permit = self._breaker.acquire()
        except CircuitOpen:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._sender.send(message)
        except (NotSentError, TimeoutError) as error:
            permit.failure(Severity.HIGH)
            self._fails(str(error) or "no answer in time", permanent=False)
        else:
            permit.success()
        finally:
            permit.release()

    async def _pause(self) -> None:
        """Wait for something to do: a new message, the next one that is due, or the breaker's trial."""
        now = self._wall()
        due = self._outbox.next_due(self.name)
        wait = IDLE if due is None else min(IDLE, max(0.01, due - now))
        guard = self._breaker.snapshot()
        if guard.state is State.OPEN:
            await asyncio.sleep(min(IDLE, max(0.01, guard.retry_after or 0.0)))
            return
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _step(self) -> bool:
        """Deliver one message; False: there is none, or the breaker is open."""
        if self._breaker.snapshot().state is State.OPEN and (self._breaker.snapshot().retry_after or 0) > 0:
            return False
        entry = await self._outbox.claim(self.name, now=self._wall(), until=self._wall() + self._timeout + IDLE)
        if entry is None:
            return False
        try:
            return await self._attempt(entry)
        except BaseException:  # cancelled: whoever works for the channel next tries it again, by the same key
            self._outbox.release(entry)
            raise

    async def _attempt(self, entry: Entry) -> bool:
        """Try to deliver a message; False: the breaker is open."""
        try:
            permit = self._breaker.acquire()
        except CircuitOpen as refused:
            await self._outbox.retry_at(entry, self._wall() + refused.retry_after, str(refused), counts=False)
            return False
        try:
            message = loads(entry.payload)
            async with asyncio.timeout(self._timeout):
                await self._sender.send(message)
        except NotSentError as error:
            if error.permanent:
                permit.success()
            else:
                permit.failure(Severity.HIGH)
            await self._failed(entry, error)
        except TimeoutError:
            permit.failure(Severity.HIGH)
            await self._failed(entry, NotSentError(f"no answer within {self._timeout:g} s"))
        except Exception as error:  # noqa: BLE001 - a channel is a stranger's code; whatever it does, the others go on
            permit.failure(Severity.HIGH)
            _log.error("channel broke", channel=self.name, error=type(error).__name__)
            await self._failed(entry, NotSentError(f"failed: {type(error).__name__}"))
        else:
            permit.success()
            await self._sent(entry, message)
        finally:
            permit.release()
        return True

    async def _sent(self, entry: Entry, message: Message) -> None:
        await self._outbox.done(entry, self._wall())
        self._told(Attempt(channel=self.name, message=message, outcome=Ended.SUCCESS))
        if self._well is False:
            _log.info("channel works again", channel=self.name, away_seconds=round(self._wall() - (self._since or 0)))
            self._outbox.hasten(self.name, self._wall())
        if self._well is not True:
            self._well, self._since, self._problem, self._permanent = True, self._wall(), "", False

    async def _failed(self, entry: Entry, error: NotSentError) -> None:
        now, message = self._wall(), _readable(entry)
        over = error.permanent or now - entry.created_at > GIVE_UP
        self._fails(str(error), permanent=error.permanent)
        if message is not None:
            outcome = Ended.DROPPED if over else Ended.FAILURE
            self._told(Attempt(channel=self.name, message=message, outcome=outcome, problem=str(error)))
        if over:
            await self._outbox.failed(entry, str(error), now)
        else:
            pause = min(LONGEST, FIRST * FACTOR ** min(entry.attempts, 30)) * (1 + 0.2 * self._random())
            await self._outbox.retry_at(entry, now + max(pause, error.retry_after or 0.0), str(error))

    def _fails(self, problem: str, *, permanent: bool) -> None:
        if self._well is not False or permanent is not self._permanent:
            words = "channel refuses, nothing is told by it" if permanent else "channel lost, trying again"
            _log.error(words, channel=self.name, kind=self._kind, why=problem)
        if self._well is not False:
            self._well, self._since = False, self._wall()
        self._problem, self._permanent = problem, permanent


def _readable(entry: Entry) -> Message | None:
    try:
        return loads(entry.payload)
    except ValueError:
        return None
