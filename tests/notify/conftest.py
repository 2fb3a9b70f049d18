from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from monitor.notify import StoredJournal
from monitor.store import Database


@dataclass(frozen=True)
class Request:
    """What arrived."""

    headers: dict[str, str]
    body: bytes
    status: int
    """What it was answered with."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent, and answers as the test says."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The next statuses; then `status`."""
    status: int = 200
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is answered before it is set."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    """Requests that have arrived, answered or not."""

    @property
    def taken(self) -> list[Request]:
        return [request for request in self.requests if request.status == 200]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.held += 1
        self.heard.set()
        await self.gate.wait()
        status = self.answers.pop(0) if self.answers else self.status
        self.requests.append(Request(dict(request.headers), body, status))
        self.heard.set()
        return web.Response(status=status)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.heard.clear()
                await self.heard.wait()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    made.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/hook"
    yield made
    made.gate.set()
    await runner.cleanup()


@pytest.fixture
async def journal(url: str) -> AsyncIterator[StoredJournal]:
    database = Database(url)
    await database.open()
    yield StoredJournal(database, who="1/1")
    await database.aclose()
