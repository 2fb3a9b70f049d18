"""One login and one shell, used by one run at a time: the steps block in a thread, and cutting the line ends them.

The event loop makes the TCP connection, so a host that is silent holds no thread. A run takes one thread for as long
as it lasts, and none is kept between runs. One step is not cut when its run gives up: once a shell was asked for, only
the answer tells its name, and without the name it can't be deleted. So whoever cleans up waits for that (`late`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from monitor.errors import LocalError, ProbeError
from monitor.logins import Attempt, Door
from monitor.model import Category, Reason
from monitor.transports import Mark
from monitor.transports.winrm.command import Command, StaleError
from monitor.transports.winrm.dial import dial, hang_up
from monitor.transports.winrm.errors import explain, is_refusal
from monitor.transports.winrm.faults import NO_SHELL, OF_THE_COMMAND, FaultError, RefusedError, StatusError
from monitor.transports.winrm.shell import Shell
from monitor.transports.winrm.wire import SpentError, Wire

ENDING: Final = 1.0
"""Seconds to wait for a call that was cut to be over; only a Kerberos library at work takes longer."""

T = TypeVar("T")


class Line:
    """A connection to one workstation's WinRM service, logged in, and the shell that is open on it."""

    def __init__(
        self,
        where: str,
        make: Callable[[Callable[[bool], None]], Wire],
        door: Door,
        *,
        idle: float,
        code_page: int | None,
    ) -> None:
        self.wire = make(self._heard)
        self.commands = 0
        """How many were run in its shell."""
        self.spoiled = False
        """Nobody is to use it any more."""
        self.unnamed = False
        """A shell was asked for and the answer never came: there may be one that nobody can name."""
        self.running: str | None = None
        """The command that was started and has not been signalled since."""
        self.free = asyncio.Event()
        """Set when its run is over."""
        self._where = where
        self._door = door
        self._attempt: Attempt | None = None
        self._shell = Shell(self.wire, idle=idle, code_page=code_page)
        self._answered = False
        self._mark: Mark | None = None
        self._loop = asyncio.get_running_loop()
        self._thread: ThreadPoolExecutor | None = None
        self._dial: asyncio.Future[socket.socket] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._dropped: asyncio.Future[None] = self._loop.create_future()

    @property
    def shell_id(self) -> str | None:
        """The open shell's name."""
        return self._shell.id

    @property
    def opening(self) -> bool:
        """Whether a shell was asked for whose name is not known yet."""
        return self._opening is not None and not self._opening.done()

    def cut(self) -> None:
        """End whatever the line's run is at."""
        if self.opening:
            self._drop()
        else:
            self.wire.cut()
        if self._dial is not None:
            self._dial.cancel()

    async def run(self, command: Command) -> None:
        """Run a command to its end.

        Raises:
            StaleError: The line was kept and can't be used any more; the command was not sent.
            ProbeError: It failed at some layer.
            LocalError: We could not even try.

        """
        kept = self.shell_id is not None
        with self._at_work(command.mark):
            try:
                await self._ready()
                await self._start(command)
                await self._collect(command)
                await self._finish(command)
            except FaultError as exc:
                if kept and command.id is None and exc.number == NO_SHELL:
                    self._shell.forget()  # there is nothing to delete
                    raise StaleError from exc
                error = explain(exc, self._where, answered=True)
                if isinstance(error, ProbeError) and exc.number in OF_THE_COMMAND:
                    error.category = command.layer
                raise error from exc
            except SpentError as exc:
                if kept and not self._answered:
                    raise StaleError from exc
                words = f"{self._where}: the server closes the connection before the login is over, or in mid-command"
                raise ProbeError(words, category=Category.WORKSTATION, reason=Reason.SHELL_LOST) from exc

    async def late(self, within: float) -> bool:
        """Wait for the answer of an opening that its run gave up.

        Returns:
            Whether there is a shell now, and a connection to delete it over.

        """
        opening = self._opening
        if opening is None:
            return False
        await asyncio.wait({opening}, timeout=within)
        if not opening.done():
            self.wire.cut()
            await asyncio.wait({opening}, timeout=ENDING)
        with contextlib.suppress(FaultError, SpentError, ProbeError, LocalError):
            self._opened(opening)
        return self.shell_id is not None and self.wire.standing

    async def end(self, shell_id: str | None = None, command_id: str | None = None) -> bool:
        """Delete the shell, this line's own or one that another line left behind, and close the connection.

        Returns:
            Whether it is gone; if not, the way to it was.

        """
        with self._at_work(None):
            try:
                if shell_id is not None:
                    await self._connect()
                    self._shell.adopt(shell_id)
                    await self._enter()
                if self.shell_id is not None:
                    await self._do(self._shell.delete, command_id)
            except FaultError as exc:
                if exc.number == NO_SHELL:
                    self._shell.forget()
            except SpentError:
                pass
            finally:
                self.wire.dispose()
        return self.shell_id is None

    @contextlib.contextmanager
    def _at_work(self, mark: Mark | None) -> Iterator[None]:
        self._answered, self._mark = False, mark
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._where)
        if mark is not None:
            mark(Category.NETWORK)
        try:
            yield
        finally:
            self._mark = None
            self._thread.shutdown(wait=False)
            if self._attempt is not None and not self.opening:
                self._attempt.over()

    async def _ready(self) -> None:
        """Connect, log in and open the shell, as far as that is not done."""
        if not self.wire.standing:
            await self._connect()
        if self.shell_id is None:
            await self._open()

    async def _connect(self) -> None:
        if self.wire.ssl:
            await self._do(self.wire.check_files)
        self._dial = asyncio.ensure_future(dial(self.wire.server, self.wire.port))
        try:
            await asyncio.wait({self._dial})
        except asyncio.CancelledError:
            self._dial.cancel()
            self._dial.add_done_callback(hang_up)
            raise
        if self._dial.cancelled():
            raise LocalError(f"{self._where}: the transport is closed")
        try:
            self.wire.plug(self._dial.result())
        except (OSError, UnicodeError) as exc:
            raise explain(exc, self._where, answered=False) from exc

    async def _open(self) -> None:
        """Open the shell; whoever gives up leaves the answer to `late`, unless nothing was asked yet."""
        await self._enter()
        opening = self._opening = self._begin(self._shell.open)
        try:
            await asyncio.wait({opening, self._dropped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not opening.done() and self.wire.cut_unless_sent():
                await asyncio.wait({opening}, timeout=ENDING)
        if not opening.done():
            raise LocalError(f"{self._where}: the transport is closed")
        self._opened(opening)

    async def _enter(self) -> None:
        """Wait for our turn to log in, which the next request does."""
        self._attempt = await self._door.enter(self._mark or _nobody)

    def _drop(self) -> None:
        if not self._dropped.done():
            self._dropped.set_result(None)

    def _opened(self, opening: asyncio.Future[None]) -> None:
        """Take the outcome of an opening."""
        error = opening.exception() if opening.done() else TimeoutError()
        if self._attempt is not None:
            well = error is None or isinstance(error, FaultError)  # who answers with a fault has let us in
            (self._attempt.admitted if well else self._attempt.over)()
        self.unnamed = error is not None and self.wire.sent and not isinstance(error, _SAYS_NO)
        if opening.done():
            self._outcome(opening)

    async def _start(self, command: Command) -> None:
        self.commands += 1
        command.id = self.running = await self._do(self._shell.command, command.text)
        command.mark(command.layer)

    async def _collect(self, command: Command) -> None:
        """Receive what the command prints until it is done."""
        room, done = command.limit, False
        while not done:
            done, command.exit_code, stdout, stderr = await self._do(self._shell.receive, command.id)
            room -= len(stdout) + len(stderr)
            if room < 0:
                words = f"{self._where}: {command.program} printed more than {command.limit} bytes"
                raise ProbeError(words, category=command.layer, reason=Reason.OUTPUT_TOO_LARGE)
            command.stdout.append(stdout)
            command.stderr.append(stderr)

    async def _finish(self, command: Command) -> None:
        """Let the service forget the command; its answer is known, so that this fails only spoils the line."""
        try:
            await self._do(self._shell.signal, command.id)
            self.running = None
        except (FaultError, SpentError, ProbeError):
            self.spoiled = True

    async def _do(self, step: Callable[..., T], *args: object) -> T:
        """Do a blocking step in the run's thread; when nobody waits for it any more, cut the line, so that it ends."""
        future = self._begin(step, *args)
        try:
            await asyncio.wait({future})
        finally:
            if not future.done():
                self.cut()
                await asyncio.wait({future}, timeout=ENDING)
        return self._outcome(future)

    def _begin(self, step: Callable[..., T], *args: object) -> asyncio.Future[T]:
        future = self._loop.run_in_executor(self._thread, step, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: asyncio.Future[T]) -> None:
        """Look what a step came to, also when nobody waits for it any more: a refused login is never forgotten."""
        error = None if future.cancelled() else future.exception()
        if error is not None and is_refusal(error):
            self._door.refused()

    def _outcome(self, future: asyncio.Future[T]) -> T:
        """Take what a step came to, in our own words."""
        try:
            return future.result()
        except RefusedError as exc:
            raise explain(exc, self._where, answered=True) from exc
        except (FaultError, SpentError, LocalError):
            raise
        except Exception as exc:  # classified by type, right here
            raise explain(exc, self._where, answered=self._answered) from exc

    def _heard(self, let_in: bool) -> None:  # noqa: FBT001 - the one thing there is to know
        """Know, in the thread, that HTTP answered; tell the run, on the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            self._loop.call_soon_threadsafe(self._hear, let_in)

    def _hear(self, let_in: bool) -> None:  # noqa: FBT001 - the same
        if self._attempt is not None:
            self._attempt.heard()
            if let_in:
                self._attempt.admitted()
        if self._mark is not None and not self._answered:
            self._answered = True
            self._mark(Category.WORKSTATION)


def _nobody(layer: Category) -> None:
    """Take a mark where no run is under way."""


_SAYS_NO: Final = (FaultError, RefusedError, StatusError, SpentError)
"""What an opening comes to when there is no shell for sure."""
