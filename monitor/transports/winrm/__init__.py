"""Commands over WinRM: a few lines per workstation (a login, a connection and a cmd shell each), kept and reused.

A run takes a line for itself, so a command that hangs holds up nobody else's; the dispatcher's lane for threads bounds
how many run at once. When the deadline strikes, the line is cut, which ends the thread that blocks on it, and the
shell is deleted in the background over a new connection. A shell that is only being opened then has no name yet: its
answer is waited for in the background, and its place is taken until then, so that a slow host is not filled with
shells. One that can't be deleted (`WinRmTransport.orphans`) ends by its idle timeout. From the moment a command was
sent, nothing is repeated. Whoever logs in waits for its turn, and a login that was refused is not tried again for a
long while, by nobody (`monitor.logins`): every try brings the account nearer to being locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from monitor.cmdline import command_line
from monitor.durations import Duration, between
from monitor.errors import LocalError, ProbeError
from monitor.logins import Logins
from monitor.model import Category, Lane, Platform, Workstation
from monitor.transports import OUTPUT_LIMIT, Completed, Credential, Mark, TransportKind, TransportParams
from monitor.transports.winrm.command import Command, StaleError
from monitor.transports.winrm.line import ENDING, Line
from monitor.transports.winrm.shell import OPERATION_TIMEOUT
from monitor.transports.winrm.wire import Wire

ORPHANED: Final = 60.0
"""Seconds beyond `Params.idle` after which a host ends a shell that nobody deleted."""
CLEANING: Final = 3.0
"""Seconds to delete a shell; and before that, to hear the name of one that was asked for."""
CLOSING: Final = 2 * (CLEANING + ENDING)
"""Seconds all that is cleaned up takes at most."""
LONGEST_LINE: Final = 8191
"""Characters cmd.exe takes."""

_log = logging.getLogger(__name__)

_PAGES: Final = {"utf-8": 65001, "gbk": 936, "gb2312": 936, "shift_jis": 932, "euc_kr": 949, "big5": 950}


class Params(TransportParams):
    """How the workstation's WinRM service is reached and trusted."""

    https: bool = False
    port: int | None = Field(default=None, ge=1, le=65535)
    """None: 5986 with HTTPS, else 5985."""
    path: str = "/wsman"
    auth: Literal["basic", "certificate", "ntlm", "kerberos", "negotiate", "credssp"] = "negotiate"
    """``kerberos`` and ``credssp`` need the extras of the same name."""
    verify: bool = True
    """False talks to whoever answers, and hands a password of ``auth: basic`` to them."""
    ca_file: Path | None = None
    """The authority, or the host's own certificate, to trust instead of the system's authorities."""
    server_name: str | None = None
    """The name the certificate is for, where the host is an address."""
    certificate: Path | None = None
    """PEM file that logs in with ``auth: certificate``; its key is the credential's `key_file`."""
    channel_binding: bool = True
    """Bind the login to the TLS connection; a proxy that ends TLS in between makes that fail."""
    idle: Annotated[Duration, between(1.0, 7000.0)] = 60.0
    """Seconds an unused line and its shell are kept."""
    recycle: int = Field(default=200, ge=1, le=1000)
    """Commands after which a shell is replaced: hosts count every command of a shell against a quota."""
    sessions: int = Field(default=4, ge=1, le=20)
    """Commands that may run at once, each in a shell of its own; hosts allow 30 shells per account, old ones 5."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.auth in {"basic", "certificate"} and not self.https:
            raise ValueError(f"auth: {self.auth} needs https: true; over HTTP it would show everything to everybody")
        if (self.auth == "certificate") != (self.certificate is not None):
            raise ValueError("auth: certificate and certificate: FILE belong together")
        return self

    @property
    def endpoint(self) -> str:
        """The scope of the NETWORK breaker."""
        return f"winrm:{self.effective_port}"

    @property
    def effective_port(self) -> int:
        """The port, given or usual."""
        return self.port or (5986 if self.https else 5985)


class WinRmTransport:
    """One workstation's WinRM service."""

    def __init__(
        self,
        workstation: Workstation,
        params: Params,
        credential: Credential | None,
        *,
        logins: Logins | None = None,
    ) -> None:
        for library in ("pypsrp", "spnego", "urllib3"):
            logging.getLogger(library).setLevel(logging.CRITICAL)  # they log what they then raise
        self._workstation = workstation
        self.orphans = 0
        """How many shells may have been left open: their name never came, or they could not be deleted."""
        self._params = params
        self._credential = credential or Credential()
        self._where = f"{workstation.id} {params.endpoint}"
        self._places = asyncio.Semaphore(params.sessions)
        self._idle: list[tuple[Line, asyncio.TimerHandle]] = []
        self._busy: set[Line] = set()
        self._cleaning: set[asyncio.Task[None]] = set()
        self._door = (logins or Logins()).door(
            workstation.id, where=self._where, user=self._credential.user, secret=_secret(params, self._credential)
        )
        self._closed = False

    async def run(
        self, argv: Sequence[str], *, mark: Mark, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run a command in a cmd shell (see `monitor.transports.Transport.run`)."""
        text = command_line(Platform.WINDOWS, argv)
        if len(text) > LONGEST_LINE:
            raise LocalError(
                f"{self._where}: {argv[0]}: a line of {len(text)} characters; cmd.exe takes {LONGEST_LINE}"
            )
        if self._places.locked():
            mark(Category.WORKSTATION)
        async with contextlib.AsyncExitStack() as place:
            await place.enter_async_context(self._places)
            while True:
                command = Command(argv[0], text, mark, layer, limit)
                with contextlib.suppress(StaleError):
                    line = await self._run(command, place)
                    break
        end = line.wire.certificate_end
        return Completed(
            argv=tuple(argv),
            exit_code=command.exit_code or 0,
            stdout=b"".join(command.stdout),
            stderr=b"".join(command.stderr),
            facts={} if end is None else {"certificate_end_timestamp_seconds": end},
        )

    @property
    def shells(self) -> int:
        """How many shells it has open."""
        return sum(line.shell_id is not None for line in (*self._busy, *(line for line, _ in self._idle)))

    async def aclose(self) -> None:
        """Cut what is under way, delete every shell, close every connection."""
        self._closed = True
        while self._idle:
            self._retire(self._pop())
        busy = [asyncio.ensure_future(line.free.wait()) for line in self._busy]
        for line in self._busy:
            line.cut()
        if busy:
            await asyncio.wait(busy, timeout=CLEANING)
        if self._cleaning:
            await asyncio.wait(self._cleaning, timeout=CLOSING)

    async def _run(self, command: Command, place: contextlib.AsyncExitStack) -> Line:
        """Run a command on a kept line, or on a new one, which takes the place with it when its opening is given up."""
        if self._closed:
            raise LocalError(f"{self._where}: the transport is closed")
        self._door.check()
        line = self._pop() if self._idle else self._line()
        line.free.clear()
        self._busy.add(line)
        well = False
        try:
            await line.run(command)
            well = not line.spoiled
        except ProbeError as exc:
            if self._closed:
                raise LocalError(f"{self._where}: the transport is closed") from exc
            raise
        finally:
            self._busy.discard(line)
            line.free.set()
            if well and line.commands < self._params.recycle and not self._closed:
                self._keep(line)
            else:
                self._retire(line, well=well, place=place.pop_all() if line.opening else None)
        return line

    def _keep(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        self._idle.append((line, loop.call_later(self._params.idle, self._expire, line)))

    def _pop(self) -> Line:
        """Take the line used last; the others may expire."""
        line, timer = self._idle.pop()
        timer.cancel()
        return line

    def _expire(self, line: Line) -> None:
        self._idle = [(kept, timer) for kept, timer in self._idle if kept is not line]
        self._retire(line)

    def _retire(self, line: Line, *, well: bool = True, place: contextlib.AsyncExitStack | None = None) -> None:
        """Delete a line's shell in the background; then the place is free that the line has taken with it."""
        task = asyncio.get_running_loop().create_task(self._clean(line, place, well=well))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _clean(self, line: Line, place: contextlib.AsyncExitStack | None, *, well: bool) -> None:
        if place is not None:
            async with place:
                well = await line.late(CLEANING)
        gone = False
        with contextlib.suppress(ProbeError, LocalError, TimeoutError):
            async with asyncio.timeout(CLEANING):
                gone = await self._delete(line, well=well)
        if not gone:
            self.orphans += 1
            _log.info("%s: a shell may be left open; it ends when it has idled for long enough", self._where)

    async def _delete(self, line: Line, *, well: bool) -> bool:
        """Delete a shell over its own connection while that is well, else over a new one; whether it is gone."""
        if well and not self._door.shut:
            with contextlib.suppress(ProbeError):
                await line.end()
        shell_id, command_id = line.shell_id, line.running
        line.wire.dispose()
        if shell_id is None:
            return not line.unnamed
        return not self._door.shut and await self._line().end(shell_id, command_id)

    def _line(self) -> Line:
        idle = self._params.idle + ORPHANED
        return Line(self._where, self._wire, self._door, idle=idle, code_page=_page(self._workstation))

    def _wire(self, answered: Callable[[bool], None]) -> Wire:
        params, credential = self._params, self._credential
        password, phrase = credential.password, credential.passphrase
        return Wire(
            self._workstation.host,
            server_name=params.server_name,
            answered=answered,
            port=params.effective_port,
            ssl=params.https,
            path=params.path.lstrip("/"),
            auth=params.auth,
            username=credential.user or None,
            password=password.get_secret_value() if password is not None else None,
            cert_validation=str(params.ca_file.expanduser()) if params.verify and params.ca_file else params.verify,
            read_timeout=3 * OPERATION_TIMEOUT,
            certificate_pem=str(params.certificate.expanduser()) if params.certificate else None,
            certificate_key_pem=str((credential.key_file or params.certificate).expanduser())
            if params.certificate
            else None,
            certificate_key_password=phrase.get_secret_value() if phrase is not None else None,
            negotiate_send_cbt=params.channel_binding,
        )


def _page(workstation: Workstation) -> int | None:
    """The number of the workstation's ANSI code page, for its shells to print in; None: unknown, the host's own."""
    name = workstation.code_page or ""
    number = re.fullmatch(r"cp(\d{3,5})", name)
    return int(number[1]) if number else _PAGES.get(name)


def _secret(params: Params, credential: Credential) -> str:
    """Whatever proves who logs in, the name of a file included: another one is another login."""
    password = credential.password.get_secret_value() if credential.password is not None else ""
    return repr([password, str(params.certificate or ""), str(credential.key_file or "")])


def _open(workstation: Workstation, params: Params, credential: Credential | None, logins: Logins) -> WinRmTransport:
    return WinRmTransport(workstation, params, credential, logins=logins)


TRANSPORT = TransportKind(
    name="winrm", params=Params, open=_open, endpoint=lambda params: params.endpoint, lane=Lane.THREAD
)
