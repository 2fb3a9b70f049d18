"""A port as the workstation sees it, reached through its SSH connection (a direct-tcpip channel)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import asyncssh

from monitor.errors import Blame, LocalError, ProbeError, classify
from monitor.model import Category, Reason, Severity
from monitor.transports.ssh.errors import USING

T = TypeVar("T")

_REFUSALS: Final = {
    asyncssh.OPEN_CONNECT_FAILED: (Reason.REFUSED, "refused on the workstation", True),
    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED: (Reason.PERMISSION, "the SSH server forbids tunnels", False),
}
"""Why a channel to a port is not opened, by the number the SSH server tells (RFC 4254, 5.1)."""


class SshStream:
    """One open channel."""

    def __init__(
        self,
        reader: asyncssh.SSHReader[bytes],
        writer: asyncssh.SSHWriter[bytes],
        *,
        where: str,
        release: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._where = where
        self._release: Callable[[], None] | None = release

    async def read(self, limit: int) -> bytes:
        """Return what is there (see `monitor.stream.Stream.read`)."""
        return await self._mapped(self._reader.read(limit))

    async def exactly(self, count: int) -> bytes:
        """Return `count` bytes (see `monitor.stream.Stream.exactly`)."""
        return await self._mapped(self._reader.readexactly(count))

    def write(self, data: bytes) -> None:
        """Send soon; a channel that was lost says so at the next read."""
        with contextlib.suppress(OSError):
            self._writer.write(data)

    def close(self) -> None:
        """Close the channel without waiting; the connection stays."""
        release, self._release = self._release, None
        if release is not None:
            self._writer.channel.abort()
            release()

    async def _mapped(self, reading: Coroutine[Any, Any, T]) -> T:
        try:
            return await reading
        except (asyncssh.Error, OSError) as exc:
            raise classify(exc, USING, where=self._where) from exc


def not_opened(exc: BaseException, *, layer: Category, where: str, port: int) -> ProbeError | LocalError:
    """Tell what it means that the SSH server did not open a channel to a port."""
    if isinstance(exc, asyncssh.ChannelOpenError) and exc.code in _REFUSALS:
        reason, words, recoverable = _REFUSALS[exc.code]
        blame = Blame(layer, Severity.HIGH, reason, f"port {port}: {words}", recoverable=recoverable)
        return classify(exc, {asyncssh.ChannelOpenError: blame}, where=where)
    return classify(exc, USING, where=where)
