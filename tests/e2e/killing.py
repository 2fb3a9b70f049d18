"""The real service as a process that is killed with SIGKILL, at random moments of several kinds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.e2e.inbox import Inbox
from tests.e2e.verdict import Life

Json = dict[str, Any]
ASK: Final = 0.1
"""Seconds between two questions whether it is ready."""
PATIENCE: Final = 60.0
"""Seconds a start may take."""
GRIEVANCES: Final = frozenset({"channel lost, trying again"})
"""Errors it may log: somebody else's."""


class Process:
    """One process of the service, from its start to its end by SIGKILL."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.begins = time.time()
        self.answered: list[float] = []
        self.log: list[Json] = []
        self.url = ""
        self.ready = asyncio.Event()
        self._process = process
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._ask())]

    @property
    def complaints(self) -> list[Json]:
        """What it logged that it should not have."""
        return [each for each in self.log if each["level"] == "error" and each["event"] not in GRIEVANCES]

    @property
    def life(self) -> Life:
        return Life(begins=self.begins, answered=tuple(self.answered))

    async def lives(self, seconds: float) -> None:
        """Wait so long; it must not end by itself meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        assert self._process.returncode is None, self.log[-5:]

    async def started(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.ready.wait()

    async def text(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return await response.text()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:  # a traceback
                entry = {"event": line.decode(), "level": "error"}
            self.log.append(entry)
            if entry["event"] == "started":
                self.url = entry["url"]
                self.ready.set()

    async def _ask(self) -> None:
        """Ask whether it is ready, over and over: that is how long it surely ran."""
        await self.ready.wait()
        async with aiohttp.ClientSession() as session:
            with contextlib.suppress(aiohttp.ClientError):
                while True:
                    async with session.get(self.url + "-/ready") as response:
                        if response.status == 200:
                            self.answered.append(time.time())
                    await asyncio.sleep(ASK)


async def run(config: Path) -> Process:
    return Process(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "run", "-c", config, "--log-format", "json", stderr=asyncio.subprocess.PIPE
        )
    )


class Killer:
    """Starts the service and kills it, over and over, at moments of several kinds."""

    def __init__(
        self, config: Path, inbox: Inbox, chance: random.Random, *, most: float, killed: Callable[[], None]
    ) -> None:
        """Start nothing yet.

        Args:
            config: What to watch.
            inbox: Whom it tells.
            chance: Chooses the moments.
            most: Seconds a process lives at most, once it is ready.
            killed: Called after each kill.

        """
        self.lives: list[Process] = []
        self.moments: Counter[str] = Counter()
        self._config = config
        self._inbox = inbox
        self._chance = chance
        self._most = most
        self._killed = killed
        self._longest = 1.0
        """Seconds a start took."""

    async def once(self) -> None:
        """Start it and kill it."""
        moments: dict[str, Callable[[Process], Awaitable[None]]] = {
            "while it starts": self._starts,
            "at any time": self._lives,
            "right after it told something": self._told,
            "while it writes": self._writes,
        }
        words = self._chance.choices(list(moments), (2, 4, 2, 2))[0]
        self.moments[words] += 1
        process = await self.start()
        try:
            await moments[words](process)
        finally:
            await process.kill()
            self._killed()

    async def start(self) -> Process:
        self.lives.append(process := await run(self._config))
        return process

    async def _starts(self, process: Process) -> None:
        await process.lives(self._chance.uniform(0, self._longest))

    async def _lives(self, process: Process) -> None:
        await process.started()
        self._longest = max(self._longest, time.time() - process.begins)
        await process.lives(self._chance.uniform(0, self._most))

    async def _told(self, process: Process) -> None:
        await process.started()
        before = len(self._inbox.arrivals)
        with contextlib.suppress(TimeoutError):
            await self._inbox.until(lambda: len(self._inbox.arrivals) > before, self._most)
        await process.lives(self._chance.uniform(0, 0.02))

    async def _writes(self, process: Process) -> None:
        await process.started()
        wal = self._config.parent / "data" / "emuwatch.db-wal"
        await process.lives(self._chance.uniform(0, self._most / 2))
        before = await asyncio.to_thread(_size, wal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._most / 2):
                while _size(wal) == before:  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.001)


def _size(path: Path) -> tuple[int, int]:
    """What changes when a file is written."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
