"""Commands over SSH: one connection per workstation, kept, shared by its probes and made anew after it was lost.

Whoever needs the connection first makes it, others wait for the same one, and it is given up when nobody waits any
more. A kept connection is no proof that the host is there, its answer is: a run on it deals with the NETWORK until the
host opens a channel, and a connection found dead by then is replaced within the same run. From the moment the command
may have been executed, nothing is repeated. Exit codes are what the library tells: the low eight bits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import asyncssh
from pydantic import Field

from monitor.cmdline import command_line
from monitor.errors import LocalError, ProbeError, classify
from monitor.logins import Logins
from monitor.model import Category, Reason, Workstation
from monitor.transports import OUTPUT_LIMIT, Completed, Credential, Mark, TransportKind, TransportParams
from monitor.transports.ssh.command import Command
from monitor.transports.ssh.dial import ENDING, Dial, Link
from monitor.transports.ssh.errors import GONE, USING
from monitor.transports.ssh.stream import SshStream, not_opened

READING: Final = 1.0
"""Seconds a file of the monitor's own may take to be read; no host is to blame for a disk that hangs."""


class Params(TransportParams):
    """How the workstation's SSH server is reached and trusted."""

    port: int = Field(default=22, ge=1, le=65535)
    known_hosts: Path = Path("~/.ssh/known_hosts")
    host_key: Literal["verify", "ignore"] = "verify"
    """``ignore`` talks to whoever answers, and hands a password to them."""
    agent: bool | None = None
    """Offer the keys of the running agent and of ``~/.ssh``; None: when the credential has no key and no password."""
    keepalive: float = Field(default=15.0, gt=0)
    """Seconds of silence after which a kept connection asks whether the host is still there."""


class SshTransport:
    """One workstation's SSH server."""

    def __init__(self, workstation: Workstation, params: Params, credential: Credential | None) -> None:
        asyncssh.set_log_level(logging.WARNING)
        self._workstation = workstation
        self._params = params
        self._credential = credential or Credential()
        self._where = f"{workstation.id} ssh:{params.port}"
        self._link: Link | None = None
        self._dial: Dial | None = None
        self._opening: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(
        self, argv: Sequence[str], *, mark: Mark, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run a command without a terminal and without input (see `monitor.transports.Transport.run`)."""
        line = command_line(self._workstation.platform, argv)
        try:
            command = await self._run(await self._linked(mark), Command(line, mark, layer, limit))
        except _StaleLinkError:
            command = await self._run(await self._linked(mark), Command(line, mark, layer, limit))
        if command.room < 0:
            raise ProbeError(
                f"{self._where}: {argv[0]} printed more than {limit} bytes",
                category=layer,
                reason=Reason.OUTPUT_TOO_LARGE,
            )
        if command.exit_code is None:
            lost = command.ended.result() or asyncssh.ConnectionLost("no exit status")
            raise classify(lost, USING, where=self._where) from lost
        stdout, stderr = map(b"".join, (command.stdout, command.stderr))
        return Completed(argv=tuple(argv), exit_code=command.exit_code, stdout=stdout, stderr=stderr)

    async def open_stream(self, host: str, port: int, *, mark: Mark, layer: Category) -> SshStream:
        """Connect to a port of the workstation's (see `monitor.transports.Tunnels.open_stream`)."""
        try:
            stream = await self._tunnel(await self._linked(mark), host, port, mark, layer)
        except _StaleLinkError:
            stream = await self._tunnel(await self._linked(mark), host, port, mark, layer)
        mark(layer)
        return stream

    async def aclose(self) -> None:
        """Give up what is under way and close the connection."""
        self._closed = True
        if self._dial is not None:
            await self._dial.give_up()
        if self._link is not None:
            self._link.conn.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING):
                    await self._link.conn.wait_closed()
        if self._opening:
            await asyncio.wait(self._opening, timeout=ENDING)

    async def _linked(self, mark: Mark) -> Link:
        if self._closed:
            raise LocalError(f"{self._where}: the transport is closed")
        if self._link is not None and not self._link.conn.is_closed():
            return self._link
        if self._dial is None or self._dial.over:
            self._dial = Dial(self._connect, self._where)
        return await self._dial.wait(mark)

    async def _connect(self, dial: Dial) -> Link:
        async with asyncio.timeout(READING):
            known_hosts = await asyncio.to_thread(self._known_hosts)
        credential = self._credential
        secret = credential.password.get_secret_value() if credential.password else None
        phrase = credential.passphrase.get_secret_value() if credential.passphrase else None
        agent = self._params.agent
        if agent is None:
            agent = credential.key_file is None and secret is None
        keys = [str(credential.key_file.expanduser())] if credential.key_file else () if agent else None
        conn = await asyncssh.connect(
            self._workstation.host,
            self._params.port,
            tunnel=dial,
            config=None,
            known_hosts=known_hosts,
            username=credential.user or (),
            password=secret,
            client_keys=keys,
            passphrase=phrase,
            agent_path=() if agent else None,
            login_timeout=0,
            connect_timeout=None,
            keepalive_interval=self._params.keepalive,
        )
        self._link = Link(conn)
        return self._link

    def _known_hosts(self) -> asyncssh.SSHKnownHosts | None:
        if self._params.host_key == "ignore":
            return None
        try:
            return asyncssh.read_known_hosts(str(self._params.known_hosts.expanduser()))
        except FileNotFoundError:
            return asyncssh.import_known_hosts("")

    async def _run(self, link: Link, command: Command) -> Command:
        kept, link.users = link.proven, link.users + 1
        command.mark(Category.NETWORK if kept else Category.WORKSTATION)
        opening = asyncio.create_task(command.open(link.conn))
        self._opening.add(opening)
        opening.add_done_callback(self._opened)
        try:
            await asyncio.wait({opening})
            if (failed := opening.exception()) is not None:
                await asyncio.sleep(0)  # the library tells the channel first, then the connection
                raise self._not_opened(link, command, failed, kept=kept) from failed
            link.proven = True
            await command.ended
        finally:
            link.users -= 1
            link.abandoned = link.abandoned or (command.channel is not None and not command.over)
            command.close()
            self._drop(link, silent=command.channel is None and not opening.done())
        return command

    async def _tunnel(self, link: Link, host: str, port: int, mark: Mark, layer: Category) -> SshStream:
        """Open a channel to a port; a stream counts as a user of the connection until it is closed."""
        kept, link.users = link.proven, link.users + 1
        mark(Category.NETWORK if kept else Category.WORKSTATION)
        opening = asyncio.create_task(link.conn.open_connection(host, port))
        self._opening.add(opening)
        opening.add_done_callback(self._opened)
        wanted = False
        try:
            await asyncio.wait({opening})
            failed = opening.exception()
            if failed is None or isinstance(failed, asyncssh.ChannelOpenError):
                link.proven = True
            if failed is not None:
                await asyncio.sleep(0)  # the library tells the channel first, then the connection
                raise self._no_tunnel(link, failed, layer, port, kept=kept) from failed
            wanted = True
        finally:
            if not wanted:
                opening.add_done_callback(_unwanted)
                link.users -= 1
                self._drop(link, silent=not opening.done())
        return SshStream(*opening.result(), where=self._where, release=lambda: self._release(link))

    def _no_tunnel(
        self, link: Link, failed: BaseException, layer: Category, port: int, *, kept: bool
    ) -> ProbeError | LocalError:
        if link.conn.is_closed() and kept:
            link.suspect = True
            return _StaleLinkError(f"{self._where}: {GONE.words}", category=Category.WORKSTATION, reason=GONE.reason)
        return not_opened(failed, layer=layer, where=self._where, port=port)

    def _release(self, link: Link) -> None:
        link.users -= 1
        self._drop(link, silent=False)

    def _opened(self, opening: asyncio.Task[Any]) -> None:
        self._opening.discard(opening)
        _ = opening.cancelled() or opening.exception()  # whoever waited for it may be gone

    def _not_opened(
        self, link: Link, command: Command, failed: BaseException, *, kept: bool
    ) -> ProbeError | LocalError:
        dead = link.conn.is_closed()
        if command.channel is None and (kept if dead else link.abandoned):
            link.suspect = True
            return _StaleLinkError(f"{self._where}: {GONE.words}", category=Category.WORKSTATION, reason=GONE.reason)
        return classify(asyncssh.ConnectionLost("closed") if dead else failed, USING, where=self._where)

    def _drop(self, link: Link, *, silent: bool) -> None:
        """Use a connection no more that is closed or opened no channel; close it when its last command is done."""
        link.suspect = link.suspect or silent
        if self._link is link and (link.suspect or link.conn.is_closed()):
            self._link = None
        if link.suspect and not link.users:
            link.conn.abort()


def _unwanted(opening: asyncio.Task[tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]]) -> None:
    """Close a channel that was opened when nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        reader, _ = opening.result()
        reader.channel.abort()


class _StaleLinkError(ProbeError):
    """A kept connection can't be used, and no command was sent over it yet."""


def _open(workstation: Workstation, params: Params, credential: Credential | None, logins: Logins) -> SshTransport:
    return SshTransport(workstation, params, credential)


TRANSPORT = TransportKind(
    name="ssh", params=Params, open=_open, endpoint=lambda params: f"ssh:{params.port}", tunnels=True
)
