"""A receiver of webhooks that keeps all it is sent, and sometimes fails, resets or is slow, as chance wills."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from monitor.channels.webhook import KEY
from tests.e2e.verdict import Arrival

MOODS: Final = ("well", "500", "503", "reset", "slow")
WEIGHTS: Final = (62, 10, 5, 8, 15)
SLOW: Final = 1.5
"""Seconds an answer takes at most; the sender waits for less."""
MERCY: Final = 2
"""How often one message is not just taken, at most: its sender waits longer each time."""


class Inbox:
    """All that arrives, and how it was answered."""

    def __init__(self, chance: random.Random) -> None:
        self.url = ""
        self.arrivals: list[Arrival] = []
        self.moods: Counter[str] = Counter()
        self.fails = True
        """Whether it sometimes does."""
        self.heard = asyncio.Event()
        self._chance = chance
        self._refused: Counter[str] = Counter()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Keep a request, then answer it."""
        body, key = json.loads(await request.read()), request.headers[KEY]
        mood = self._mood(key)
        taken = mood in {"well", "slow"}
        self.moods[mood] += 1
        self.arrivals.append(Arrival(at=time.time(), key=key, body=body, taken=taken))
        self.heard.set()
        if mood == "slow":
            await asyncio.sleep(self._chance.uniform(0, SLOW))
        if mood == "reset" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=200 if taken else int(mood) if mood.isdecimal() else 500)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until what has arrived fulfils a condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.heard.clear()
                await self.heard.wait()

    def _mood(self, key: str) -> str:
        mood = self._chance.choices(MOODS, WEIGHTS)[0] if self.fails else "well"
        if mood == "well" or self._refused[key] >= MERCY:
            return "well"
        self._refused[key] += 1
        return mood


@contextlib.asynccontextmanager
async def opened(chance: random.Random) -> AsyncIterator[Inbox]:
    """Listen on loopback until the block ends."""
    inbox = Inbox(chance)
    app = web.Application()
    app.router.add_post("/", inbox.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    inbox.url = f"http://{host}:{port}/"
    try:
        yield inbox
    finally:
        await runner.cleanup()
