"""Delivers the messages of one channel, one after the other: retried with back-off, under a breaker of its own.

Where another attempt can't help soon (a refused token), messages wait, and are tried once in a long while, until the
channel's config changes or one gets through; a message that is refused for its own sake is given up. The channel is
shown as broken meanwhile. Losing a channel and having it back is one line in the log each.
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
from monitor.posting import Hope, NotSentError

FIRST: Final = 2.0
FACTOR: Final = 2.0
LONGEST: Final = 300.0
"""Seconds until a message is tried again: the first time, by how much longer each time, at most."""
PARKED: Final = 3600.0
"""Seconds until a message is tried again by a channel that refuses all of them."""
DOUBTS: Final = 6
"""Attempts after which an address that may be gone is taken to be: for a minute or two it may just be restarting."""
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
    REFUSED = "refused"
    """It waits until the channel takes messages again."""
    DROPPED = "dropped"
    """It is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to tell something."""

    channel: str
    message: Message | None
    """None: what was kept of it can't be read."""
    outcome: Ended
    problem: str = ""

    @property
    def passing(self) -> bool:
        """Whether it is of no interest, because it is made again soon."""
        return self.outcome is Ended.FAILURE

    @property
    def words(self) -> str:
        """What was told, and why it was not."""
        return ": ".join(filter(None, (self.message.title if self.message is not None else "", self.problem)))


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
        """Deliver; at first also what an older worker could not, for the config may be another."""
        self._outbox.hasten(self.name, self._wall())
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
            message = loads(entry.payload)
        except ValueError as error:
            await self._unreadable(entry, str(error))
            return True
        try:
            permit = self._breaker.acquire()
        except CircuitOpen as refused:
            await self._outbox.retry_at(entry, self._wall() + refused.retry_after, str(refused), counts=False)
            return False
        try:
            async with asyncio.timeout(self._timeout):
                await self._sender.send(message)
        except NotSentError as error:
            if error.hope in {Hope.CONFIG, Hope.NEVER}:
                permit.success()
            else:
                permit.failure(Severity.HIGH)
            await self._failed(entry, message, error)
        except TimeoutError:
            permit.failure(Severity.HIGH)
            await self._failed(entry, message, NotSentError(f"no answer within {self._timeout:g} s"))
        except Exception as error:  # noqa: BLE001 - a channel is a stranger's code; whatever it does, the others go on
            permit.failure(Severity.HIGH)
            _log.error("channel broke", channel=self.name, error=type(error).__name__)
            await self._failed(entry, message, NotSentError(f"failed: {type(error).__name__}"))
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
        if self._well is not True:
            self._outbox.hasten(self.name, self._wall())  # a process before this one may have put them off
            self._well, self._since, self._problem, self._permanent = True, self._wall(), "", False

    async def _failed(self, entry: Entry, message: Message, error: NotSentError) -> None:
        now, gone = self._wall(), error.hope is Hope.PERHAPS and entry.attempts + 1 >= DOUBTS
        self._fails(str(error), permanent=gone or error.hope in {Hope.CONFIG, Hope.NEVER})
        over = error.hope is Hope.NEVER or now - entry.created_at > GIVE_UP
        outcome = Ended.DROPPED if over else Ended.REFUSED if error.hope is Hope.CONFIG else Ended.FAILURE
        self._told(Attempt(channel=self.name, message=message, outcome=outcome, problem=str(error)))
        if over:
            await self._outbox.failed(entry, str(error), now)
            return
        pause = PARKED if error.hope is Hope.CONFIG else min(LONGEST, FIRST * FACTOR ** min(entry.attempts, 30))
        pause = max(pause * (1 + 0.2 * self._random()), error.retry_after or 0.0)
        await self._outbox.retry_at(entry, now + pause, str(error))

    async def _unreadable(self, entry: Entry, problem: str) -> None:
        """Give up what nobody can read, at once: it must not stand in the way of the others."""
        _log.error("message given up, it can't be read", channel=self.name, key=entry.id, why=problem)
        why = f"{problem} (key {entry.id})"
        self._told(Attempt(channel=self.name, message=None, outcome=Ended.DROPPED, problem=why))
        await self._outbox.failed(entry, problem, self._wall())

    def _fails(self, problem: str, *, permanent: bool) -> None:
        if self._well is not False or permanent is not self._permanent:
            words = "channel refuses, nothing is told by it" if permanent else "channel lost, trying again"
            _log.error(words, channel=self.name, kind=self._kind, why=problem)
        if self._well is not False:
            self._well, self._since = False, self._wall()
        self._problem, self._permanent = problem, permanent
