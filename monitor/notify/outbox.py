"""Messages on their way: kept until delivered, in order per alert, written through to a journal that outlives us.

What is to be delivered is held here, so deliveries go on while the journal (the store) is away; what it missed is
written as soon as it answers again. A claim is also made in the journal, by one UPDATE, so that no other process that
shares it delivers the same message at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from monitor.store.failures import StoreError

EVERY_ALERT: Final = "*"
"""The alert of a digest: it neither overtakes nor is overtaken by anything of its channel."""
REMEMBERED: Final = 10_000
"""Settled entries whose ids are kept, so that none of them is taken anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message for one channel."""

    id: str
    """Its stable key."""
    channel: str
    alert: str
    """What it is about: entries of one alert are delivered in the order in which they were made."""
    also: frozenset[str] = frozenset()
    """Other alerts it speaks of, as one of a site does: it stands in their order too."""
    position: int
    payload: str
    """JSON."""
    created_at: float
    due_at: float
    attempts: int = 0
    error: str = ""
    settled: bool = False
    """Born delivered: only to be remembered as told."""
    lost: bool = False
    """Given up: nobody was told."""


class Journal(Protocol):
    """What outlives the process. Each may raise `StoreError`: then nothing was written, or nobody knows."""

    async def put(self, entries: Sequence[Entry]) -> None:
        """Keep entries; one whose id is there already stays as it was."""

    async def claim(self, entry: Entry, *, now: float, until: float) -> bool:
        """Take an entry for ourselves until a moment; False: it is another's, or settled."""

    async def done(self, entry: Entry, at: float) -> None:
        """Keep that it was delivered."""

    async def retry_at(self, entry: Entry) -> None:
        """Keep when it is due again, how often it was tried, and why."""

    async def failed(self, entry: Entry, at: float) -> None:
        """Keep that it will never be delivered, and why."""

    async def live(self, now: float) -> Sequence[Entry]:
        """Return what is not settled and claimed by nobody else."""

    async def latest(self) -> Sequence[Entry]:
        """Return the last entry of every alert of every channel, delivered or not."""

    async def prune(self, before: float) -> None:
        """Forget what was settled before a moment and is not the last of its alert."""


Change = Callable[[Journal], Coroutine[Any, Any, object]]


@dataclass(slots=True)
class _Arrear:
    """What the journal is still to be told of an entry."""

    entry: Entry
    missing: bool = False
    """Whether the journal may not hold it at all."""
    change: Change | None = None
    """What became of it last; what became of it before that matters to nobody any more."""


class Outbox:
    """See the module. All on one event loop."""

    def __init__(self, journal: Journal | None = None) -> None:
        """Start empty; without a journal nothing outlives the process."""
        self._journal = journal
        self._live: dict[str, Entry] = {}
        self._claimed: set[str] = set()
        self._settled: dict[str, None] = {}
        self._lost: dict[tuple[str, str], Entry] = {}
        self._arrears: dict[str, _Arrear] = {}
        self._telling = asyncio.Lock()

    async def put(self, entries: Sequence[Entry]) -> None:
        """Take entries: all at once, each once."""
        fresh = [entry for entry in entries if entry.id not in self._live and entry.id not in self._settled]
        for entry in fresh:
            if entry.settled:
                self._settle(entry)
            else:
                self._live[entry.id] = entry
        if self._journal is not None:
            self._arrears |= {entry.id: _Arrear(entry, missing=True) for entry in fresh}
        await self._tell()

    async def claim(self, channel: str, *, now: float, until: float) -> Entry | None:
        """Take the next entry that is due and that nothing older of the same alert waits before."""
        while (entry := self._next(channel, now)) is not None:
            self._claimed.add(entry.id)
            try:
                ours = await self._claims(entry, now, until)
            except BaseException:
                self.release(entry)
                raise
            if ours:
                return entry
            del self._live[entry.id]  # somebody else's; `adopt` takes it up should he fail
            self.release(entry)
        return None

    def release(self, entry: Entry) -> None:
        """Let go of an entry that was claimed; whether it was delivered nobody knows, so it is due as before."""
        self._claimed.discard(entry.id)

    async def done(self, entry: Entry, at: float) -> None:
        """Take note that it was delivered."""
        self._settle(entry)
        self._lost.pop((entry.channel, entry.alert), None)
        await self._write(entry, lambda journal: journal.done(entry, at))

    async def retry_at(self, entry: Entry, due: float, error: str, *, counts: bool = True) -> None:
        """Try it again later; `counts`: this was an attempt."""
        later = replace(entry, due_at=due, error=error, attempts=entry.attempts + counts)
        self._live[entry.id] = later
        self.release(entry)
        await self._write(entry, lambda journal: journal.retry_at(later))

    async def failed(self, entry: Entry, error: str, at: float) -> None:
        """Give it up."""
        self._settle(entry)
        self._lost[entry.channel, entry.alert] = entry
        await self._write(entry, lambda journal: journal.failed(replace(entry, error=error), at))

    async def latest(self) -> Sequence[Entry]:
        """Return what was told last of every alert, from the journal; it is told first what it missed.

        Raises:
            StoreError: It does not answer.

        """
        if self._journal is None:
            return ()
        await self._catch_up(self._journal)
        return await self._journal.latest()

    async def adopt(self, channels: Iterable[str], now: float) -> bool:
        """Take over what the journal holds and nobody delivers; True: there was something.

        Entries of channels that are gone stay in it. While it does not answer, nothing is taken.
        """
        if self._journal is None:
            return False
        ours, found = set(channels), False
        try:
            await self._catch_up(self._journal)
            for entry in await self._journal.live(now):
                if entry.channel in ours and entry.id not in self._live and entry.id not in self._settled:
                    self._live[entry.id] = entry
                    found = True
        except StoreError:
            return False
        return found

    async def prune(self, before: float) -> None:
        """Forget what is old, as far as the journal answers."""
        while len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]
        if self._journal is not None:
            with suppress(StoreError):
                await self._journal.prune(before)

    def lost(self, channel: str) -> tuple[Entry, ...]:
        """Return, once, the entries a channel gave up after which it delivered nothing of the same alert."""
        found = tuple(entry for entry in self._lost.values() if entry.channel == channel)
        self._lost = {where: entry for where, entry in self._lost.items() if entry.channel != channel}
        return found

    def hasten(self, channel: str, now: float) -> None:
        """Make everything of a channel due: it works again."""
        for entry in [entry for entry in self._live.values() if entry.channel == channel and entry.due_at > now]:
            self._live[entry.id] = replace(entry, due_at=now)

    def next_due(self, channel: str) -> float | None:
        """When the next entry of a channel is due; None: there is none."""
        return min((entry.due_at for entry in self._first(channel)), default=None)

    def waiting(self) -> Mapping[str, int]:
        """How many entries each channel has left to deliver."""
        found: dict[str, int] = {}
        for entry in self._live.values():
            found[entry.channel] = found.get(entry.channel, 0) + 1
        return found

    def holds(self, channel: str, alert: str) -> bool:
        """Whether a channel has entries of an alert left to deliver."""
        return any(entry.channel == channel and entry.alert == alert for entry in self._live.values())

    @property
    def behind(self) -> int:
        """Of how many entries the journal does not know yet how they stand."""
        return len(self._arrears)

    def _first(self, channel: str) -> Iterable[Entry]:
        """The entries that nothing older stands before."""
        alerts: set[str] = set()
        for entry in sorted((e for e in self._live.values() if e.channel == channel), key=lambda e: e.created_at):
            mine = {entry.alert, *entry.also}
            free = alerts.isdisjoint(mine) and EVERY_ALERT not in alerts
            if free and not (entry.alert == EVERY_ALERT and alerts) and entry.id not in self._claimed:
                yield entry
            alerts |= mine

    def _next(self, channel: str, now: float) -> Entry | None:
        return next((entry for entry in self._first(channel) if entry.due_at <= now), None)

    async def _claims(self, entry: Entry, now: float, until: float) -> bool:
        """Claim it in the journal; while that does not answer, or lags behind, our own word is enough."""
        if self._journal is None:
            return True
        try:
            await self._catch_up(self._journal)
            if await self._journal.claim(entry, now=now, until=until):
                return True
            await self._journal.put([entry])  # the store may be another one than before
            return await self._journal.claim(entry, now=now, until=until)
        except StoreError:
            return True

    def _settle(self, entry: Entry) -> None:
        self._live.pop(entry.id, None)
        self._claimed.discard(entry.id)
        self._settled[entry.id] = None

    async def _write(self, entry: Entry, change: Change) -> None:
        """Have the journal told; noted before anything is waited for, lest it be lost if the caller is cancelled."""
        if self._journal is not None:
            self._arrears.setdefault(entry.id, _Arrear(entry)).change = change
        await self._tell()

    async def _tell(self) -> None:
        if self._journal is not None:
            with suppress(StoreError):
                await self._catch_up(self._journal)

    async def _catch_up(self, journal: Journal) -> None:
        """Tell it what it does not know: first that there are such entries, all at once, then what became of each."""
        async with self._telling:
            while self._arrears:
                missing = [arrear for arrear in self._arrears.values() if arrear.missing]
                if missing:
                    await journal.put([arrear.entry for arrear in missing])
                for arrear in missing:
                    arrear.missing = False
                for identity, arrear in list(self._arrears.items()):
                    change = arrear.change
                    if change is not None:
                        await change(journal)
                    if not arrear.missing and arrear.change is change:
                        del self._arrears[identity]
