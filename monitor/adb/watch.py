"""The devices of one adb server, as it tells them by itself: one held connection instead of two questions a check.

Whoever wants the list brings a way to the server. The first one's question stays open, and what the server tells later
replaces the list. It ends after a while, when the connection breaks, or when somebody found the list wrong; then the
next one asks anew. Nobody waits for another's connection: each run is blamed for its own way only.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from monitor.adb import OUTPUT_LIMIT, Shell, Told
from monitor.adb.server import AdbServer, Open, Tracking
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Reason
from monitor.transports import Mark

RENEW: Final = 600.0
"""Seconds a connection is held: nobody may want it any more, and one that broke in silence tells nothing for ever."""


class DeviceWatch:
    """One server's list, shared by all who ask about its guests; `aclose` ends it."""

    def __init__(self, *, renew: float = RENEW) -> None:
        self._renew = renew
        self._told: Told | None = None
        self._following: set[asyncio.Task[None]] = set()
        self._deaf: int | None = None
        """The version of a server that was found to know no such question."""
        self._closed = False

    async def told(self, server: AdbServer) -> Told:
        """Return what was told last; ask over a run's own way to the server when there is nothing.

        Raises:
            ProbeError: The server, or the way to it, does not answer properly.
            LocalError: We could not ask.

        """
        if self._told is not None:
            return self._told
        version = await server.version()
        if version == self._deaf:
            return Told(version, await server.devices())
        try:
            tracking = await server.track()
        except ProbeError as error:
            if error.reason is not Reason.PROTOCOL:
                raise
            told = Told(version, await server.devices())  # an old server: it knows the list, and no watching
            self._deaf = version
            return told
        try:
            told = Told(version, await tracking.listed())
        except BaseException:
            tracking.close()
            raise
        self._keep(tracking, told)
        return told

    def forget(self) -> None:
        """Have the next one ask: the list was found wrong."""
        self._told = None
        for task in self._following:
            task.cancel()

    async def aclose(self) -> None:
        """End for good."""
        self._closed = True
        self.forget()
        await asyncio.gather(*self._following, return_exceptions=True)

    def _keep(self, tracking: Tracking, told: Told) -> None:
        """Follow what is told from now on, unless somebody else was quicker."""
        if self._told is not None or self._closed:
            tracking.close()
            return

        def ended(task: asyncio.Task[None]) -> None:
            self._following.discard(task)
            tracking.close()  # here, for a task that is cancelled before it begins runs nothing of its own

        self._told = told
        task = asyncio.create_task(self._follow(tracking, told), name="adb devices")
        self._following.add(task)
        task.add_done_callback(ended)

    async def _follow(self, tracking: Tracking, told: Told) -> None:
        try:
            with contextlib.suppress(ProbeError, LocalError, TimeoutError):  # whoever asks next finds out
                async with asyncio.timeout(self._renew):
                    while True:
                        told = self._told = Told(told.version, await tracking.listed())
        finally:
            if self._told is told:
                self._told = None


class WatchedServer(AdbServer):
    """A server whose devices are not asked for as long as somebody is told of them."""

    def __init__(self, open_: Open, *, where: str, layer: Category, mark: Mark, watch: DeviceWatch) -> None:
        super().__init__(open_, where=where, layer=layer, mark=mark)
        self._watch = watch

    async def told(self) -> Told:
        """Return what the server told last."""
        return await self._watch.told(self)

    async def shell(self, serial: str, command: str, *, limit: int = OUTPUT_LIMIT) -> Shell:
        """Run a command line in a guest; one that is not there in spite of the list proves the list wrong."""
        try:
            return await super().shell(serial, command, limit=limit)
        except ProbeError as error:
            if error.reason is Reason.OFFLINE:
                self._watch.forget()
            raise
