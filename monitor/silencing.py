"""Silences and maintenance at work: what begins and ends is noted, what operators make is kept over a restart.

One tick a second works out what is active. Without the store everything goes on, and what was made or ended meanwhile
is written when the store is back. Shards that share a store learn of each other's within half a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from monitor.events import Kind
from monitor.model import Workstation
from monitor.notices import Item
from monitor.silences import Purpose, Silence, Silences, StandingError, ended
from monitor.store import StoreError

TICK: Final = 1.0
"""Seconds between two looks at what begins and ends."""
SWEEP: Final = 30.0
"""Seconds between two looks at what others made."""
PATIENCE: Final = 3.0
"""Seconds a start waits for the store, lest somebody is told of what is silenced."""
ANSWER: Final = 2.0
"""Seconds an operator waits for the store before the answer says that it is not kept yet."""

_log = structlog.get_logger("monitor.silences")


class Journal(Protocol):
    """Where they are kept."""

    async def load(self) -> tuple[Silence, ...]:
        """Read all; raises `StoreError`."""

    async def put(self, silences: Sequence[Silence], /) -> None:
        """Write some; raises `StoreError`."""

    async def forget(self, before: float, /) -> None:
        """Delete those that were over before a Unix time; raises `StoreError`."""


class Note(Protocol):
    """Notes an event of the monitor itself."""

    def __call__(self, kind: Kind, /, *, subject: str, new: str, message: str, who: str) -> None:
        """Note it."""


class Silencing:
    """All silences and windows of maintenance. All on one event loop."""

    def __init__(
        self,
        journal: Journal,
        *,
        note: Note,
        retention: float,
        announces: bool = True,
        wall: Callable[[], float] = time.time,
        tick: float = TICK,
    ) -> None:
        """Know of none yet.

        Args:
            journal: Where they are kept.
            note: Is told what operators did, and what begins and ends.
            retention: Seconds they are kept after their end.
            announces: Whether it notes what begins and ends by itself; one of several shards does.
            wall: Unix time.
            tick: Seconds between two looks.

        """
        self._journal = journal
        self._note = note
        self._retention = retention
        self._announces = announces
        self._wall = wall
        self._tick = tick
        self._silences = Silences()
        self._unkept: dict[str, Silence] = {}
        self._loaded = False
        self._task: asyncio.Task[None] | None = None

    def configure(self, silences: Iterable[Silence], *, retention: float) -> None:
        """Take those of a config instead of those of the one before."""
        self._silences.configure(silences)
        self._retention = retention
        self._turn(quietly=self._task is None)

    async def start(self) -> None:
        """Go on with what was kept, then mind what begins and ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._load():  # noqa: ASYNC110 - a store that is back sets no event
                    await asyncio.sleep(self._tick / 4)
        self._turn(quietly=True)
        self._task = asyncio.create_task(self._work(), name="silences")

    async def aclose(self) -> None:
        """Write what is not kept yet, if the store answers soon, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._keep_soon()

    async def add(self, silence: Silence, /) -> bool:
        """Take one from now on.

        Returns:
            Whether it is kept over a restart already; else it will be when the store is back.

        """
        self._take(silence)
        self._say(silence, "added", silence.who, silence.why)
        self._turn(quietly=True)
        return await self._keep_soon()

    async def end(self, identity: str, /, *, who: str, why: str) -> Silence | None:
        """End one before its time.

        Returns:
            What it is now; None: there is no such.

        Raises:
            StandingError: It stands in the config.

        """
        silence = self._silences.find(identity)
        if silence is None or silence.ended_at is not None:
            return silence
        if silence.configured:
            raise StandingError
        over = ended(silence, who=who, at=self._wall())
        self._take(over)
        self._say(over, "ended", who, why)
        self._turn(quietly=True)
        await self._keep_soon()
        return over

    def each(self) -> tuple[Silence, ...]:
        """All that are known: active, to come, and over not long ago."""
        return tuple(self._silences.each())

    def muted(self, item: Item) -> bool:
        """Whether nobody is to be told of an item."""
        return self._silences.muted(item)

    def over(self, workstation: Workstation, purpose: Purpose, /) -> Silence | None:
        """Return one that is active and covers a workstation as a whole; None: there is none."""
        return self._silences.over(workstation, purpose)

    def active(self, purpose: Purpose, /) -> int:
        """Count those that are active."""
        return sum(silence.purpose is purpose for silence in self._silences.active())

    # ---------------------------------------------------------------------------------------------------- at work
    def _take(self, silence: Silence) -> None:
        self._silences.put(silence)
        self._unkept[silence.id] = silence

    def _turn(self, *, quietly: bool = False) -> None:
        began, over = self._silences.tick(self._wall())
        if self._announces and not quietly:
            for silence in began:
                self._say(silence, "began", "", silence.why)
            for silence in over:
                self._say(silence, "over", "", silence.why)

    def _say(self, silence: Silence, what: str, who: str, why: str) -> None:
        span = silence.span(self._wall())
        until = (
            "" if span is None or what in {"ended", "over"} else f", {_words(span.starts_at)} to {_words(span.ends_at)}"
        )
        message = f"{silence.purpose} of {silence.matchers.words()}{until}: {why}"
        _log.info(f"{silence.purpose} {what}", name=silence.label, who=who, why=why)
        self._note(Kind.SILENCE, subject=silence.label, new=what, message=message, who=who)

    async def _work(self) -> None:
        swept = time.monotonic()
        while True:
            try:
                self._turn()
                if self._unkept:
                    await self._keep()
                if not self._loaded or time.monotonic() - swept >= SWEEP:
                    swept = time.monotonic()
                    await self._sweep()
            except Exception:  # noqa: BLE001 - a defect in one turn must not end all silences
                _log.exception("minding silences failed")
            await asyncio.sleep(self._tick)

    async def _sweep(self) -> None:
        if await self._load():
            before = self._wall() - self._retention
            self._silences.forget(before)
            with suppress(StoreError):  # the memory tells of a store that is away
                await self._journal.forget(before)

    async def _load(self) -> bool:
        """Learn what was kept, by us or by another shard; False: the store does not answer."""
        try:
            kept = await self._journal.load()
        except StoreError:
            return False
        for silence in kept:
            if silence.id not in self._unkept:
                self._silences.put(silence)
        self._loaded = True
        return True

    async def _keep(self) -> bool:
        """Write what is not kept yet; False: the store does not answer."""
        waiting = tuple(self._unkept.values())
        try:
            await self._journal.put(waiting)
        except StoreError:
            return False
        for silence in waiting:
            if self._unkept.get(silence.id) is silence:
                del self._unkept[silence.id]
        return True

    async def _keep_soon(self) -> bool:
        if not self._unkept:
            return True
        try:
            async with asyncio.timeout(ANSWER):
                return await self._keep()
        except TimeoutError:
            return False


def _words(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
