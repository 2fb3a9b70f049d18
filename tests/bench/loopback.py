"""What the benches of voice and memory watch: workstations on loopback, of which some refuse and some come and go.

Each has an address of its own, 127.1.x.y. All healthy ones share a real listener; one that refuses has none; a moody
one has one of its own, which the bench closes and opens again.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from monitor.app import Service
from monitor.config import load_text
from monitor.model import Target

CHECKS: Final = 3
ROUTE: Final = {
    "channels": ["hook"],
    "after": "0s",
    "wait": "0s",
    "update": "0s",
    "resolve_after": "0s",
    "steady": "0s",
    "rate": None,
}
"""Whatever happens is told, and at once."""


@dataclass
class Hook:
    """A receiver of messages that takes its time."""

    pause: float
    taken: int = 0
    url: str = ""

    async def handle(self, _: web.Request) -> web.Response:
        await asyncio.sleep(self.pause)
        self.taken += 1
        return web.Response()


@asynccontextmanager
async def receiver(pause: float) -> AsyncIterator[Hook]:
    """Run one."""
    hook = Hook(pause)
    app = web.Application()
    app.router.add_post("/", hook.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield hook
    finally:
        await runner.cleanup()


@dataclass
class Crowd:
    """The workstations."""

    healthy: int
    refusing: int = 0
    moody: int = 0
    port: int = 0
    _listeners: dict[int, asyncio.Server] = field(default_factory=dict)
    _ports: dict[int, int] = field(default_factory=dict)

    @property
    def first_moody(self) -> int:
        return self.healthy + self.refusing

    async def start(self) -> None:
        self._listeners[-1] = server = await _listen("0.0.0.0", 0)
        self.port = server.sockets[0].getsockname()[1]
        for number in range(self.first_moody, self.first_moody + self.moody):
            await self.turn(number)

    async def turn(self, number: int) -> None:
        """Have a moody one fall silent, or come back."""
        if number in self._listeners:
            server = self._listeners.pop(number)
            server.close()
        else:
            server = self._listeners[number] = await _listen(address(number), self._ports.get(number, 0))
            self._ports[number] = server.sockets[0].getsockname()[1]

    async def moods(self, every: float) -> None:
        """Turn one after the other, for ever."""
        number = 0
        while True:
            await self.turn(self.first_moody + number % self.moody)
            number += 1
            await asyncio.sleep(every)

    def config(self, *, interval: float, timeout: float, **more: object) -> dict[str, object]:
        """Write a config that watches them."""
        return {
            "listen": "127.0.0.1:0",
            "defaults": {"interval": f"{interval:g}s", "timeout": f"{timeout:g}s", "down_after": 1},
            "breakers": {"network": {"open_time": "2s"}},
            "workstations": [self._workstation(number) for number in range(self.first_moody + self.moody)],
            **more,
        }

    def _workstation(self, number: int) -> dict[str, object]:
        port = self._ports.get(number, self.port if number < self.healthy else 1)
        checks = [{"kind": "tcp", "name": f"c{check}", "port": port} for check in range(CHECKS)]
        return {"id": f"ws-{number:03}", "host": address(number), "checks": checks}

    def close(self) -> None:
        for server in self._listeners.values():
            server.close()


async def _listen(host: str, port: int) -> asyncio.Server:
    return await asyncio.start_server(lambda _, writer: writer.close(), host, port, backlog=1024)


def address(number: int) -> str:
    """Give every workstation its own address of the loopback network."""
    return f"127.1.{number // 200}.{number % 200 + 1}"


class Lateness:
    """How long after their due time the runs of the healthy ones really began."""

    def __init__(self, crowd: Crowd) -> None:
        self._healthy = frozenset(f"ws-{number:03}" for number in range(crowd.healthy))
        self.found: list[float] = []

    def began(self, target: Target, seconds: float) -> None:
        if target.workstation.id in self._healthy:
            self.found.append(seconds)

    def words(self) -> str:
        """Say it, and begin anew."""
        found, self.found = self.found, []
        marks = statistics.quantiles(found, n=100)
        return (
            f"{len(found):6} runs, lateness p50 {marks[49] * 1000:4.1f} ms, p99 {marks[98] * 1000:5.1f} ms, "
            f"worst {max(found) * 1000:5.1f} ms"
        )


@asynccontextmanager
async def watching(config: Mapping[str, Any], lateness: Lateness) -> AsyncIterator[Service]:
    """Run the service by a config."""
    service = await asyncio.to_thread(lambda: Service(load_text(json.dumps(config), name="bench")))
    service.scheduler._late = lateness.began
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def notifications(hook: Hook, names: Sequence[str] = ("hook",)) -> dict[str, object]:
    """Have everything told to a receiver."""
    return {"channels": {name: {"kind": "webhook", "url": hook.url} for name in names}, "routes": [ROUTE]}
