"""Every expression of every dashboard, asked of a real Prometheus that scrapes the demo's farm: well, then broken."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from monitor.app import Service
from monitor.config import load
from monitor.model import Category, HostFacts, Key, Observation, Outcome, Result, Status, Transition, Volume
from monitor.simulator.farm import Farm
from tests.dashboards.expressions import everything
from tests.dashboards.scraping import Prometheus, a_prometheus

SICK, DEAD, BOOTING = "ws-01", "ws-02", "ws-03"
INTERVAL = 2.0
"""Seconds between two runs of a check, which is also its timeout: on a busy machine a short one fails healthy hosts."""
LONG = 86400.0
"""Seconds of a check that shall not run by itself while the test lasts: its answer is given."""
VALUES = {
    "site": ".*",
    "workstation": "(" + "|".join(f"ws-{number:02}" for number in range(1, 9)) + ")",
    "emulator": "(" + "|".join(f"ldplayer:{index}" for index in range(6)) + ")",
    "__rate_interval": "5s",
    "__range": "60s",
}
ONE_WORKSTATION = "emuwatch-workstation"
EMPTY_WHEN_HEALTHY = {
    "emuwatch-breakers / Breakers that were not closed / A": "none was open",
    "emuwatch-breakers / All breakers / F": "none ever tripped",
    "emuwatch-breakers / Longest not closed / A": "none was open",
    "emuwatch-breakers / Most trips / A": "none ever tripped",
    "emuwatch-emulators / Booting now, by workstation / A": "none boots",
    "emuwatch-emulators / Slowest boot / A": "none booted since it is watched",
    "emuwatch-emulators / Slowest boots / A": "none booted since it is watched",
    "emuwatch-emulators / Boot times, by workstation / A": "none booted since it is watched",
    "emuwatch-emulators / Emulators / F": "none booted since it is watched",
    "emuwatch-emulators / Witnesses that disagree / A": "they agree",
    "emuwatch-workstation / Checks and reasons / B": "no check has a reason to be unwell",
    "emuwatch-fleet / Alerts / A": "nothing is wrong",
    "emuwatch-fleet / Alerts / B": "nothing is wrong",
    "emuwatch-breakers / annotation Trips": "none ever tripped",
    "emuwatch-emulators / annotation Trips": "none ever tripped",
    "emuwatch-fleet / annotation Trips": "none ever tripped",
    "emuwatch-workstation / annotation Trips": "none ever tripped",
    "emuwatch-itself / Channels that work / A": "nothing was told yet",
}
ABOVE_ZERO = {
    "emuwatch-fleet / Degraded / A",
    "emuwatch-fleet / Down / A",
    "emuwatch-fleet / Emulators not as expected / A",
    "emuwatch-fleet / Part of each site that is down / A",
    "emuwatch-workstation / Checks not well / A",
    "emuwatch-workstation / Open breakers / A",
    "emuwatch-workstation / Emulators not as expected / A",
    "emuwatch-breakers / Open / A",
    "emuwatch-breakers / Half-open / A",
    "emuwatch-breakers / Forced / A",
    "emuwatch-breakers / Trips / A",
    "emuwatch-breakers / Attempts avoided / A",
    "emuwatch-breakers / Part avoided / A",
    "emuwatch-emulators / Ready / A",
    "emuwatch-emulators / Starting / A",
    "emuwatch-emulators / Stuck or frozen / A",
    "emuwatch-emulators / Not as expected / A",
    "emuwatch-emulators / Witnesses disagree / A",
    "emuwatch-emulators / Unknown / A",
    "emuwatch-itself / Own errors / A",
    "emuwatch-itself / Errors of sinks / A",
    "emuwatch-itself / Errors of breaker listeners / A",
}
"""Figures that are 0 in a healthy farm, and must not be in this one."""


@dataclass
class Running:
    farm: Farm
    service: Service
    path: Path

    def status(self, workstation: str) -> Status:
        return next(state.status for state in self.service.fleet.snapshot() if state.workstation.id == workstation)

    def well(self) -> bool:
        return all(
            state.status is Status.UP and state.emulators and all(e.status is Status.UP for e in state.emulators)
            for state in self.service.fleet.snapshot()
        )

    def answer(self, check: str, observation: Observation, *, outcome: Outcome = Outcome.SUCCESS) -> None:
        """Let a check that does not run by itself have run."""
        target = next(t for t in self.service.config.targets if t.workstation.id == SICK and t.name == check)
        self.service.deliver(
            Result(target=target, outcome=outcome, at=time.time(), duration=0.01, observation=observation)
        )

    def fail_ourselves(self, check: str) -> None:
        """Let the monitor itself have been unable to ask."""
        target = next(t for t in self.service.config.targets if t.workstation.id == SICK and t.name == check)
        self.service.deliver(Result(target=target, outcome=Outcome.ERROR, at=time.time(), local="no permission"))


class Stuck:
    """A sink that never ends: its queue of one overflows with every result."""

    name = "stuck"

    async def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        await asyncio.Event().wait()


def broken_listener(event: object) -> None:
    raise RuntimeError("broken on purpose")


def a_config(farm: Farm) -> str:
    """The farm's own, with a boot that is stuck soon, and checks whose answers the test gives."""
    config = cast("dict[str, Any]", farm.config(interval=INTERVAL, open_time=2 * INTERVAL))
    for entry in config["workstations"]:
        console = next(check for check in entry["checks"] if check["name"] == "console")
        console["boot_limit"] = "1s" if entry["id"] == SICK else "10m"
        entry["checks"] = [check for check in entry["checks"] if check["kind"] != "host"]
        if entry["id"] == SICK:
            given = [
                {"kind": "icmp", "name": "ping"},
                {"kind": "host", "name": "facts"},
                {"kind": "icmp", "name": "own"},
            ]
            given.append({"kind": "http", "name": "shop", "url": "https://{host}/"})
            entry["checks"].extend({**check, "interval": f"{LONG:g}s"} for check in given)
    gateway = {"kind": "tcp", "host": "127.0.0.1", "port": farm[BOOTING].rdp.port}
    config["gateways"] = [{**gateway, "name": "router", "interval": "200ms", "timeout": "100ms"}]
    config["notifications"] = {
        "channels": {"nobody": {"kind": "webhook", "url": "http://127.0.0.1:9/"}},
        "routes": [{"channels": ["nobody"], "after": "0s", "wait": "1s"}],
    }
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with Farm() as farm:
        path = tmp_path / "config.yaml"
        await asyncio.to_thread(path.write_text, a_config(farm), encoding="utf-8")
        service = Service(await asyncio.to_thread(load, path), config_path=path)
        await service.start()
        try:
            running = Running(farm, service, path)
            give_answers(running)
            async with asyncio.timeout(30):
                while not running.well():  # noqa: ASYNC110 - the fleet has no event to wait for
                    await asyncio.sleep(0.1)
            yield running
        finally:
            await service.stop()


def give_answers(running: Running) -> None:
    facts = HostFacts(
        cpu_ratio=0.4,
        memory_total_bytes=64 << 30,
        memory_available_bytes=20 << 30,
        commit_limit_bytes=80 << 30,
        commit_available_bytes=30 << 30,
        boot_time_seconds=time.time() - LONG,
        gpu_ratio=0.2,
        volumes=(Volume("C:", 500 << 30, 100 << 30), Volume("D:", 2 << 40, 1 << 40)),
    )
    running.answer("facts", Observation(host=facts))
    running.answer("ping", Observation(facts={"loss_ratio": 0.0, "rtt_seconds": 0.001}))
    running.answer("own", Observation())
    left = time.time() + 30 * LONG
    running.answer("shop", Observation(facts={"http_status": 200, "certificate_end_timestamp_seconds": left}))


def break_everything(running: Running) -> None:
    """Inject every fault the dashboards tell of."""
    service, sick = running.service, running.farm[SICK]
    service.fanout.add(Stuck(), queue=1)
    service.breakers.subscribe(broken_listener)
    running.farm[DEAD].power_off()
    running.farm[BOOTING].launch(4)
    sick.rdp.silent()
    sick.http_status(500)
    sick.stick_boot(0)
    sick.lie(1)
    sick.freeze(2)
    service.breakers.get(Key(Category.NETWORK, BOOTING, f"tcp:{running.farm[BOOTING].rdp.port}")).force_open()
    running.fail_ourselves("own")


async def still_empty(prometheus: Prometheus, among: set[str], *, above_zero: bool = False) -> set[str]:
    """Which of these expressions have no data, or no figure above zero where there should be one."""
    empty = set()
    for asked in everything():
        if asked.where in among:
            one = {"workstation": SICK} if asked.where.startswith(ONE_WORKSTATION) else {}
            expression = asked.filled(VALUES | one)
            if above_zero and asked.where in ABOVE_ZERO:
                expression = f"({expression}) > 0"
            if not await prometheus.has(asked, expression):
                empty.add(asked.where)
    return empty


async def until_only(prometheus: Prometheus, allowed: set[str], seconds: float, *, above_zero: bool) -> set[str]:
    """Ask again what was empty until only `allowed` is, or the time is over."""
    empty = {asked.where for asked in everything()}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (empty := await still_empty(prometheus, empty, above_zero=above_zero)) - allowed:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.5)
    return empty


async def test_every_expression__healthy_farm_then_every_fault__returns_data(running: Running, tmp_path: Path) -> None:
    known = {asked.where for asked in everything()}
    assert (EMPTY_WHEN_HEALTHY.keys() | ABOVE_ZERO) - known == set(), "panels that are gone or renamed"
    target = running.service.url.removeprefix("http://").rstrip("/")
    async with a_prometheus(tmp_path, target) as prometheus:
        empty = await until_only(prometheus, set(EMPTY_WHEN_HEALTHY), 30, above_zero=False)
        assert empty == set(EMPTY_WHEN_HEALTHY), "what is empty in a healthy farm is not what the list says"
        break_everything(running)
        empty = await until_only(prometheus, set(), 60, above_zero=True)
        assert empty == set(), "still without data although everything is broken"
