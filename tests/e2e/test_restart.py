"""kill -9 of the real service, over and over: what it knew it still knows, and a restart is no news to anybody."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.simulator.farm import Farm
from monitor.token import NAME

INTERVAL = 0.3
OPEN_TIME = 60.0
Json = dict[str, Any]


@dataclass
class Running:
    """One process of the service."""

    process: asyncio.subprocess.Process
    url: str
    log: list[Json]
    token: str

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            assert response.status == 200
            return await response.json()

    async def post(self, path: str, body: Json) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, json=body, headers=headers) as response,
        ):
            assert response.status == 200, await response.text()

    async def until(self, condition: Callable[[Json], bool], seconds: float = 20.0) -> Json:
        """Wait until what the service says of the workstation fulfils a condition."""
        async with asyncio.timeout(seconds):
            while not condition(state := await self.get("api/v1/workstations/ws-01")):  # noqa: ASYNC110 - see below
                await asyncio.sleep(0.05)  # another process: it sets no event here
        return dict(state)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


async def run(config: Path) -> Running:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", "run", "-c", config, "--log-format", "json", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    log: list[Json] = []
    async with asyncio.timeout(20):
        while not log or log[-1]["event"] != "started":
            log.append(json.loads(await process.stderr.readline()))
    token = await asyncio.to_thread((config.parent / "data" / NAME).read_text)
    return Running(process, log[-1]["url"], log, token.strip())


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(workstations=1, emulators=3) as farm:
        text = farm.config_yaml(interval=INTERVAL, open_time=OPEN_TIME)
        await asyncio.to_thread((farm.directory / "config.yaml").write_text, text)
        yield farm


def beliefs(state: Json) -> Json:
    """What must not change over a restart; messages may, since a trial may be due in another second."""
    emulators = {each["id"]: (each["state"], each["status"], each["since"]) for each in state["emulators"]}
    checks = {each["name"]: (each["status"], each["since"]) for each in state["checks"]}
    breakers = {
        "/".join(each["key"].values()): (each["state"], each["forced"], each["trips"], each["last_trip"])
        for each in state["breakers"]
        if each["state"] != "closed" or each["forced"]
    }
    return {
        "workstation": (state["status"], state["since"]),
        "checks": checks,
        "emulators": emulators,
        "breakers": breakers,
    }


def trials(state: Json) -> dict[str, str]:
    return {"/".join(each["key"].values()): each["next_trial"] for each in state["breakers"] if each["state"] == "open"}


def settled(state: Json) -> bool:
    """Whether the panel is known to be gone, its breaker open, and everything else is well."""
    panel = next(each for each in state["checks"] if each["name"] == "panel")
    others = [each for each in state["checks"] if each["name"] != "panel"]
    return (
        panel["status"] == "down"
        and panel["stale_since"] is not None
        and all(each["status"] == "up" for each in others)
        and len(state["emulators"]) == 3
        and all(each["status"] == "up" for each in state["emulators"])
    )


def asked_again(state: Json) -> bool:
    """Whether every check ran since the start."""
    return all(each["last_outcome"] is not None for each in state["checks"])


async def test_kill_9__three_times__nothing_is_forgotten_and_nothing_is_told_twice(farm: Farm) -> None:
    config = farm.directory / "config.yaml"
    running = await run(config)
    try:
        await running.until(lambda state: len(state["emulators"]) == 3)
        farm["ws-01"].http.refuse()
        await running.until(settled)
        rdp = f"network/ws-01/tcp:{farm['ws-01'].rdp.port}"
        await running.post(f"api/v1/breakers/{rdp}/force-close", {"reason": "being moved", "who": "ann"})
        known = await running.until(lambda state: settled(state) and len(beliefs(state)["breakers"]) == 2)
        await asyncio.sleep(0.3)
        before = await running.get("api/v1/events?limit=1000&kind=workstation&kind=check&kind=emulator&kind=tripped")
        for _ in range(3):
            await running.kill()
            running = await run(config)
            state = await running.until(lambda state: asked_again(state) and settled(state))
            await asyncio.sleep(2 * INTERVAL)
            assert beliefs(state) == beliefs(known)
            assert trials(state) == trials(known)
            assert [entry["event"] for entry in running.log] == ["started"]
            now = await running.get("api/v1/events?limit=1000&kind=workstation&kind=check&kind=emulator&kind=tripped")
            assert now["events"] == before["events"]
        starts = await running.get("api/v1/events?kind=service")
        assert [event["new"] for event in starts["events"]] == ["started"] * 4
        (forced,) = (await running.get("api/v1/events?kind=forced"))["events"]
        assert (forced["subject"], forced["new"], forced["message"]) == (
            rdp.replace("/ws-01", ""),
            "closed",
            "being moved",
        )
        farm["ws-01"].http.restore()
    finally:
        await running.kill()
