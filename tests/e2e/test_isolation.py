"""When it is we who are cut off: the gateway and the whole farm fall silent, and nobody is called dead for it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from monitor.app import Service
from monitor.breaker.machine import State
from monitor.config import load
from monitor.events import Asked, Kind
from monitor.model import Category, Key, Outcome, Severity, Status, SubjectKind
from monitor.simulator.farm import Farm
from monitor.simulator.wire import Wire
from tests.e2e.conftest import Recorder
from tests.notify.conftest import Receiver, receiver

__all__ = ["receiver"]

INTERVAL = 1.0
"""Of the checks; the gateway is asked ten times as often, as it is by default."""
QUICK = {"interval": "100ms", "timeout": "100ms", "down_after": 2}
ROUTE = {"channels": ["hook"], "after": "1s", "wait": "500ms", "resolve_after": "500ms", "remind": "never"}
SECOND = {"kind": "tcp", "host": "127.0.0.1", "port": 1}


async def hang_up(sock: socket.socket) -> None:
    sock.close()


@dataclass
class Cut:
    """A farm and a gateway on loopback, and the service that watches both and tells a receiver."""

    farm: Farm
    gateway: Wire
    service: Service
    path: Path
    config: dict[str, Any]
    receiver: Receiver
    recorder: Recorder = field(default_factory=Recorder)

    def cut(self) -> None:
        """Let the gateway and every workstation fall silent at once, as if our own cable were pulled."""
        self.gateway.silent()
        for host in self.farm.workstations:
            for wire in host.wires:
                wire.silent()

    def mend(self) -> None:
        self.gateway.restore()
        for host in self.farm.workstations:
            for wire in host.wires:
                wire.restore()

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.recorder.heard.clear()
                await self.recorder.heard.wait()

    def well(self) -> bool:
        return all(
            state.status is Status.UP
            and len(state.emulators) == 6
            and all(check.status is Status.UP for check in state.checks)
            and all(emulator.status is Status.UP for emulator in state.emulators)
            for state in self.service.fleet.snapshot()
        )

    def statuses(self) -> set[Status]:
        return {state.status for state in self.service.fleet.snapshot()}

    def opened(self) -> list[Key]:
        return [breaker.key for breaker in self.service.breakers.items() if breaker.state is not State.CLOSED]

    def trip(self, workstation: str, scope: str) -> None:
        breaker = self.service.breakers.get(Key(Category.NETWORK, workstation, scope))
        while breaker.snapshot().state is State.CLOSED:
            breaker.acquire().failure(Severity.HIGH)

    async def get(self, path: str) -> str:
        async with aiohttp.ClientSession(self.service.url) as session, session.get(path) as answer:
            return await answer.text()

    async def gauge(self) -> str:
        (line,) = [line for line in (await self.get("/metrics")).splitlines() if line.startswith("emuwatch_isolated")]
        return line

    async def reload(self, gateways: list[dict[str, object]]) -> None:
        self.config["gateways"] = gateways
        await asyncio.to_thread(self.path.write_text, json.dumps(self.config), encoding="utf-8")
        await self.service.reload()

    def told(self) -> list[tuple[str, str]]:
        return [(request.json["kind"], request.json["group"]) for request in self.receiver.requests]


@pytest.fixture
async def cut(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Cut]:
    gateway = Wire(hang_up)
    gateway.start()
    async with Farm(workstations=2) as farm:
        config: dict[str, Any] = farm.config(interval=INTERVAL, open_time=1.0)
        config["gateways"] = [{"kind": "tcp", "host": "127.0.0.1", "port": gateway.port, "name": "router", **QUICK}]
        config["notifications"] = {
            "channels": {"hook": {"kind": "webhook", "url": receiver.url}},
            "routes": [ROUTE, {**ROUTE, "name": "restricted", "workstations": ["ws-*"]}],
        }
        path = tmp_path / "config.yaml"
        await asyncio.to_thread(path.write_text, json.dumps(config), encoding="utf-8")
        service = Service(await asyncio.to_thread(load, path), config_path=path)
        made = Cut(farm, gateway, service, path, config, receiver)
        await service.start()
        service.fanout.add(made.recorder)
        try:
            await made.until(made.well)
            made.recorder.forget()
            yield made
        finally:
            await service.stop()
            await gateway.aclose()


async def test_cut_off__together_with_the_whole_farm__is_our_own_trouble_and_told_once__and_back_all_is_well(
    cut: Cut,
) -> None:
    assert await cut.gauge() == "emuwatch_isolated 0.0"
    with capture_logs() as lines:
        cut.cut()
        cut.trip("ws-01", f"ssh:{cut.farm['ws-01'].ssh.port}")  # as many checks of one endpoint do before we know
        await cut.until(lambda: cut.statuses() == {Status.UNKNOWN})
        assert await cut.gauge() == "emuwatch_isolated 1.0"
        known_at = cut.service.gateways.isolation.since
        page = await cut.get("/")
        cut.recorder.forget()
        await cut.receiver.until(lambda: len(cut.receiver.requests) == 1)
        await cut.until(lambda: len(cut.recorder.results) > 40)  # every check failed several times by now
    assert "We are cut off from the network" in page
    assert "gateway <bdi>router</bdi> does not answer" in page
    runs = [result for result in cut.recorder.results if result.outcome is not Outcome.SKIPPED]
    assert {result.outcome for result in runs} == {Outcome.ERROR}
    assert {result.local for result in runs} == {"we are cut off: gateway router does not answer"}
    assert Status.DOWN not in {transition.new for transition in cut.recorder.transitions}
    assert cut.opened() == []
    assert [breaker.last_trip for breaker in cut.service.breakers.items() if (breaker.last_trip or 0) > known_at] == []
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "cut off from the network, what fails counts against nobody"
    ]
    cut.mend()
    await cut.until(cut.well)
    await cut.receiver.until(lambda: len(cut.receiver.requests) == 2)
    assert await cut.gauge() == "emuwatch_isolated 0.0"
    assert "We are cut off" not in await cut.get("/")
    assert Status.DOWN not in cut.recorder.of(SubjectKind.WORKSTATION)
    assert cut.told() == [("problem", "@monitor"), ("resolved", "@monitor")]
    found = await cut.service.memory.find(Asked(kinds=(Kind.SERVICE,)))
    assert [(event.subject, event.new) for event in found.events][:2] == [
        ("network", "cut off no more"),
        ("network", "cut off"),
    ]


async def test_one_dead_workstation__while_the_gateway_answers__is_down_as_ever(cut: Cut) -> None:
    cut.farm["ws-01"].power_off()
    await cut.receiver.until(lambda: len(cut.receiver.requests) == 2)
    assert cut.told() == [("problem", "ws-01")] * 2, "by both routes"
    assert await cut.gauge() == "emuwatch_isolated 0.0"


async def test_farm_that_answers__while_the_gateway_alone_is_silent__stays_up(cut: Cut) -> None:
    cut.gateway.silent()
    await cut.receiver.until(lambda: len(cut.receiver.requests) == 1)
    cut.recorder.forget()
    await cut.until(lambda: len(cut.recorder.results) > 30)
    assert {result.outcome for result in cut.recorder.results} <= {Outcome.SUCCESS, Outcome.SKIPPED}
    assert cut.well()
    assert cut.told() == [("problem", "@monitor")]


async def test_reload__that_adds_a_gateway_or_takes_the_last_one_away__is_taken_over_at_once(cut: Cut) -> None:
    same = cut.config["gateways"][0]
    task = cut.service.gateways._tasks["router"]
    await cut.reload([same, {**SECOND, **QUICK, "name": "closed"}])
    assert cut.service.gateways._tasks["router"] is task, "what is unchanged goes on"
    cut.gateway.silent()
    await cut.receiver.until(lambda: len(cut.receiver.requests) == 1)
    assert "gateways router, closed do not answer" in cut.receiver.requests[0].json["title"]
    await cut.reload([])
    assert "\nemuwatch_isolated " not in await cut.get("/metrics"), "nobody knows any more"
    await cut.receiver.until(lambda: len(cut.receiver.requests) == 2)
    assert cut.told() == [("problem", "@monitor"), ("resolved", "@monitor")]
