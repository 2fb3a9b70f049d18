"""What is done to emulators: asked for once, then watched until it is seen, or its deadline strikes.

No exit code decides. What counts is what the console lists before and after, and, because the console seen from
session 0 may call an instance stopped that runs, what others say of that (`witness`). Nobody is guarded here: whoever
calls (`manager`, `workstation`) holds the breaker of operations, and every command passes those of its way. What is
done is announced (`announce`), so that a monitor that watches takes it for no fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from monitor.emulators.ldplayer import NAME, Instance
from monitor.errors import CircuitOpen, ProbeError
from monitor.model import Category, EmulatorRun, Reason
from monitor.operations.announce import Announce, Deed, deed, nobody
from monitor.operations.console import Console, find
from monitor.operations.outcome import Deadlines, Done, OperationError, Seen
from monitor.operations.session import Session
from monitor.operations.way import Way
from monitor.operations.witness import Witnesses

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0
PAUSE_FACTOR: Final = 1.6

W = TypeVar("W")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What an operation waits for."""

    operation: str
    before: Seen
    within: float
    met: Callable[[Seen], bool]


class Lifecycle:
    """Creates, deletes, starts, stops, restarts and renames the emulators of one workstation.

    Args:
        way: How to get there.
        console: Its console.
        session: Where commands that need a desktop run.
        witnesses: Who is asked where the console's word is not enough.
        deadlines: How long each may take.
        announce: Told what is done; it must return at once.
        clock: Monotonic seconds.
        sleep: Waits some seconds.

    """

    def __init__(  # noqa: PLR0913 - its parts, put together in one place
        self,
        way: Way,
        console: Console,
        session: Session,
        witnesses: Witnesses,
        *,
        deadlines: Deadlines,
        announce: Announce = nobody,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.way = way
        self.console = console
        self._session = session
        self._witnesses = witnesses
        self._deadlines = deadlines
        self._announce = announce
        self._clock = clock
        self._sleep = sleep

    async def start(self, emulator: int | str) -> Done:
        """Start an emulator and wait until Android has started; one that runs is left alone."""
        with deed("start", self._announce) as start:
            return start.end(await self._start(start, emulator))

    async def stop(self, emulator: int | str) -> Done:
        """Stop an emulator and wait until window and machine are gone; one that is stopped is left alone."""
        began = self._clock()
        with deed("stop", self._announce) as stop:
            before = await self._look_up(emulator)
            if before.run is EmulatorRun.STOPPED:
                return self._done("stop", before, before, began, changed=False)
            return stop.end(self._done("stop", before, await self._quit(stop, before), began))

    async def restart(self, emulator: int | str) -> Done:
        """Stop an emulator, wait for its machine to end, then start it; never by the console's ``reboot``.

        That one was seen to rewrite the settings of the instance.
        """
        began = self._clock()
        with deed("restart", self._announce) as restart:
            before = await self._look_up(emulator)
            if before.run is not EmulatorRun.STOPPED:
                await self._quit(restart, before)
            started = await self._start(restart, _row(before).index)
            return restart.end(self._done("restart", before, started.after, began))

    async def create(self, title: str, *, copy_from: int | str | None = None) -> Done:
        """Create an emulator, as a copy of another if asked, and wait until the console lists it.

        Its index is found by comparing what is listed before and after: the exit code would be it, but a copy that is
        refused because another one runs ends with 3.
        """
        await self.console.check_title(title)
        with deed("create", self._announce) as create:
            return create.end(await self._create(create, title, copy_from))

    async def _create(self, create: Deed, title: str, copy_from: int | str | None) -> Done:
        began = self._clock()
        rows = await self.console.instances()
        if taken := [row for row in rows if row.title == title]:
            raise OperationError(f"{NAME}:{taken[0].index} is called {title!r} already")
        known = {row.index for row in rows}
        source = () if copy_from is None else ("--from", str(find(rows, copy_from).index))
        create.changes()
        answer = await self.console.command("copy" if source else "add", "--name", title, *source)
        hint = "" if copy_from is None else "; another copy may be running"
        row = await self._until_listed(title, known, f"(exit code {answer.exit_code}{hint})")
        return self._done("create", Seen(row=None), Seen(row=row), began)

    async def delete(self, emulator: int | str, *, stop: bool = False) -> Done:
        """Delete a stopped emulator for good, or stop it first if asked, and wait until it is listed no more."""
        began = self._clock()
        with deed("delete", self._announce) as delete:
            before = await self._look_up(emulator)
            if before.run is not EmulatorRun.STOPPED:
                if not stop:
                    raise OperationError(f"{_name(before)} is {before}: stop it first, or ask for that too")
                await self._quit(delete, before)
            delete.changes(_id(before))
            await self.console.command("remove", "--index", str(_row(before).index))
            wish = _Wish(
                operation="delete", within=self._deadlines.delete, before=before, met=lambda seen: seen.row is None
            )
            return delete.end(self._done("delete", before, await self._watch(wish), began))

    async def rename(self, emulator: int | str, title: str) -> Done:
        """Give an emulator another title."""
        await self.console.check_title(title)
        with deed("rename", self._announce) as rename:
            return rename.end(await self._rename(rename, emulator, title))

    async def _rename(self, rename: Deed, emulator: int | str, title: str) -> Done:
        began = self._clock()
        rows = await self.console.instances()
        before = Seen(row=find(rows, emulator))
        if any(row.title == title and row.index != _row(before).index for row in rows):
            raise OperationError(f"another emulator is called {title!r} already")
        if _row(before).title == title:
            return self._done("rename", before, before, began, changed=False)
        rename.changes(_id(before))
        await self.console.command("rename", "--index", str(_row(before).index), "--title", title)
        wish = _Wish(
            operation="rename",
            within=self._deadlines.rename,
            before=before,
            met=lambda seen: seen.row is not None and seen.row.title == title,
        )
        return self._done("rename", before, await self._watch(wish), began)

    # ------------------------------------------------------------------------------------------------- asking
    async def _look_up(self, emulator: int | str) -> Seen:
        return await self._witnesses.see(find(await self.console.instances(), emulator))

    async def _look(self, index: int) -> Seen:
        rows = await self.console.instances()
        return await self._witnesses.see(next((row for row in rows if row.index == index), None))

    # ------------------------------------------------------------------------------------------------- doing
    async def _start(self, start: Deed, emulator: int | str) -> Done:
        began = self._clock()
        before = await self._look_up(emulator)
        if before.run is EmulatorRun.RUNNING:
            return self._done("start", before, before, began, changed=False)
        if before.run is EmulatorRun.DEGRADED:
            self._refuse_zombie(before)
            await self._watch(_Wish(operation="stop", within=self._deadlines.stop, before=before, met=_stopped))
        wish = _Wish(operation="start", within=self._deadlines.start, before=before, met=_running)
        if before.run is EmulatorRun.STARTING:
            return self._done("start", before, await self._watch(wish), began)
        start.moves(_id(before))
        async with self._session.begun("launch", "--index", str(_row(before).index)):
            return self._done("start", before, await self._watch(wish), began)

    async def _quit(self, deed: Deed, before: Seen) -> Seen:
        deed.moves(_id(before))
        wish = _Wish(operation="stop", within=self._deadlines.stop, before=before, met=_stopped)
        async with self._session.begun("quit", "--index", str(_row(wish.before).index)):
            return await self._watch(wish)

    async def _watch(self, wish: _Wish) -> Seen:
        """Look, ever more rarely, until the wish is met.

        A look that fails is no verdict on the operation: the next one may succeed.

        Raises:
            ProbeError: EMULATOR: the deadline struck; TIMEOUT when something happened, UNEXPECTED when nothing did.
                Of another layer: the last look failed.

        """

        async def look() -> Seen | str:
            seen = await self._look(_row(wish.before).index)
            return seen if wish.met(seen) else str(seen)

        def unmet(still: str) -> ProbeError:
            message = (
                f"{self.way.machine.id}: asked to {wish.operation} {_name(wish.before)}, "
                f"after {wish.within:g} s the console still says {still}"
            )
            reason = Reason.UNEXPECTED if still == str(wish.before) else Reason.TIMEOUT
            return ProbeError(message, category=Category.EMULATOR, reason=reason)

        return await self._poll(look, unmet, wish.within)

    async def _until_listed(self, title: str, known: set[int], told: str) -> Instance:
        """Wait for an instance that was not there; of several new ones it is the one with our title."""

        async def look() -> Instance | str:
            fresh = [row for row in await self.console.instances() if row.index not in known]
            ours = next((row for row in fresh if row.title == title), None)
            if ours is not None:
                return ours
            return f"new indexes {[row.index for row in fresh]}, none called so" if fresh else "nothing new"

        def unmet(still: str) -> ProbeError:
            message = (
                f"{self.way.machine.id}: asked to create {title!r} {told}, "
                f"after {self._deadlines.create:g} s the console lists {still}"
            )
            return ProbeError(message, category=Category.EMULATOR, reason=Reason.UNEXPECTED)

        return await self._poll(look, unmet, self._deadlines.create)

    async def _poll(
        self, look: Callable[[], Awaitable[W | str]], unmet: Callable[[str], ProbeError], within: float
    ) -> W:
        began, pause = self._clock(), FIRST_PAUSE
        failed: ProbeError | None = None
        while True:
            try:
                found = await look()
            except CircuitOpen as refusal:
                raise failed or refusal from None
            except ProbeError as error:
                failed = error
            else:
                if not isinstance(found, str):
                    return found
                failed = unmet(found)
            left = within - (self._clock() - began)
            if left <= 0:
                raise failed
            await self._sleep(min(pause, left))
            pause = min(pause * PAUSE_FACTOR, LONGEST_PAUSE)

    def _done(self, operation: str, before: Seen, after: Seen, began: float, *, changed: bool = True) -> Done:
        row = _row(before if after.row is None else after)
        return Done(
            operation=operation,
            index=row.index,
            title=row.title,
            before=before,
            after=after,
            changed=changed,
            seconds=self._clock() - began,
        )

    def _refuse_zombie(self, seen: Seen) -> None:
        """Refuse to start what has a window without a machine; a machine without a window is on its way out."""
        if seen.window:
            raise OperationError(f"{_name(seen)} is {seen}: restart it")


def _row(seen: Seen) -> Instance:
    assert seen.row is not None, "whatever was looked up is listed"  # noqa: S101 - for the type checker
    return seen.row


def _id(seen: Seen) -> str:
    return f"{NAME}:{_row(seen).index}"


def _name(seen: Seen) -> str:
    return f"{_id(seen)} {_row(seen).title!r}"


def _running(seen: Seen) -> bool:
    return seen.run is EmulatorRun.RUNNING


def _stopped(seen: Seen) -> bool:
    return seen.run is EmulatorRun.STOPPED
