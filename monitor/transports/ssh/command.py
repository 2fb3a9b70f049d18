"""One command on its channel."""

from __future__ import annotations

import asyncio
import contextlib
import signal as signals

import asyncssh

from monitor.model import Category
from monitor.transports import Mark


class Command(asyncssh.SSHClientSession[bytes]):
    """One command on its channel: what it prints, up to a limit, and how it ends."""

    def __init__(self, line: str, mark: Mark, layer: Category, limit: int) -> None:
        self.mark = mark
        self.room = limit
        self.stdout: list[bytes] = []
        self.stderr: list[bytes] = []
        self.exit_code: int | None = None
        self.channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.over = False
        """Its channel is closed; nothing of it is left on the server."""
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._line = line
        self._layer = layer
        self._closed = False

    async def open(self, conn: asyncssh.SSHClientConnection) -> None:
        """Open the channel and start the command; done when the server says that it started."""
        await conn.create_session(lambda: self, self._line, encoding=None, request_pty=False)

    def close(self) -> None:
        """End the command, if it has not ended, and the channel, also one that is yet to come."""
        self._closed = True
        if self.channel is not None and not self.over:
            with contextlib.suppress(OSError):
                self.channel.kill()
            self.channel.abort()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Take the channel the server opened; give it back at once when nobody wants it any more."""
        self.channel = chan
        if self._closed:
            chan.abort()
        else:
            self.mark(Category.WORKSTATION)

    def session_started(self) -> None:
        """Know that the command was started; it gets no input."""
        if self.channel is not None and not self._closed:
            self.mark(self._layer)
            self.channel.write_eof()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Keep what it prints; end it when that is too much."""
        self.room -= len(data)
        if self.room < 0:
            self.close()
            self._end(None)
        else:
            (self.stdout if datatype is None else self.stderr).append(data)

    def eof_received(self) -> bool:
        """Keep the channel when its output ended: the exit status is yet to come."""
        return True

    def exit_status_received(self, status: int) -> None:
        """Keep the exit status."""
        self.exit_code = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001 - theirs
        """Keep the signal that ended it, as a negative exit code."""
        self.exit_code = -getattr(signals, f"SIG{signal}", signals.SIGTERM)

    def connection_lost(self, exc: Exception | None) -> None:
        """Know that the channel is closed, or the connection lost."""
        self.over = True
        self._end(exc)

    def _end(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)
