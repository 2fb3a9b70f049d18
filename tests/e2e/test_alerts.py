"""From a power cut to a message and back: simulated workstations, the service, a real Prometheus, a real Alertmanager.

The rules and the routing are the ones `emuwatch export alerts` writes; only their times are divided by sixty, so that a
minute is a second and all of them keep their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import yaml
from aiohttp import web

from monitor.app import Service
from monitor.bundle import write_alerts
from monitor.config import load_text
from monitor.simulator.farm import Farm
from tests.e2e.conftest import INTERVAL, OPEN_TIME
from tests.prometheus import Prometheus, a_prometheus
from tests.servers import free_port, require_program

WORKSTATIONS = 2
SLOWLY = 1.0
"""An interval, which is also the timeout, that a login keeps on a busy machine."""
EMULATORS = 6 * WORKSTATIONS

_log = logging.getLogger(__name__)


@dataclass
class Inbox:
    """The receiver of an operator: every message Alertmanager posts."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.messages.append(await request.json())
        self.came.set()
        return web.Response()

    def told(self) -> list[tuple[str, str, str]]:
        """What was told, in order: status, alert, workstation."""
        return [
            (alert["status"], alert["labels"]["alertname"], alert["labels"].get("workstation", ""))
            for message in self.messages
            for alert in message["alerts"]
        ]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < count:
                self.came.clear()
                await self.came.wait()

    async def hears(self, status: str, alert: str, workstation: str) -> None:
        """Wait for one of perhaps several."""
        async with asyncio.timeout(30):
            while (status, alert, workstation) not in self.told():
                self.came.clear()
                await self.came.wait()


@dataclass
class Watch:
    """All of it, running."""

    farm: Farm
    prometheus: Prometheus
    inbox: Inbox


def hasten(match: re.Match[str]) -> str:
    """Divide a time of a rule or a route by sixty."""
    number, unit = int(match[2]), match[3]
    return f"{match[1]}{number * {'s': 1, 'm': 60, 'h': 3600}[unit] * 1000 // 60}ms"


def write_configs(folder: Path, *, target: str, inbox: str, alertmanager: int) -> None:
    times = re.compile(r"(\b(?:for|keep_firing_for|interval|group_wait|group_interval): )(\d+)([smh])\b")
    for path in write_alerts(folder):
        text = times.sub(hasten, path.read_text())
        path.write_text(text.replace("http://127.0.0.1:9095/alerts", inbox))
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, evaluation_interval: 200ms}\n"
        f"rule_files: ['{folder}/rules/*.yml']\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n"
        f"scrape_configs: [{{job_name: emuwatch, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )


@contextlib.asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def served(inbox: Inbox) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", inbox.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def ready(session: aiohttp.ClientSession, port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(f"http://127.0.0.1:{port}/-/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


def without(config: dict[str, Any], kinds: Collection[str]) -> str:
    """Write a config whose workstations have no checks of some kinds."""
    for entry in config["workstations"]:
        entry["checks"] = [check for check in entry["checks"] if check["kind"] not in kinds]
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


@pytest.fixture
async def watch(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Watch]:
    """Everything; a test may name kinds of checks it is to be without, and another interval."""
    kinds, interval = getattr(request, "param", ((), INTERVAL))
    alertmanager = await asyncio.to_thread(require_program, "prometheus-alertmanager", "prometheus-alertmanager")
    port, inbox = free_port(), Inbox()
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(inbox))
        farm = await stack.enter_async_context(Farm(workstations=WORKSTATIONS))
        config = cast("dict[str, Any]", farm.config(interval=interval, open_time=OPEN_TIME))
        text = without(config, kinds)
        service = Service(await asyncio.to_thread(load_text, text, name="farm"))
        await service.start()
        stack.push_async_callback(service.stop)
        target = service.url.removeprefix("http://").rstrip("/")
        await asyncio.to_thread(write_configs, tmp_path, target=target, inbox=url, alertmanager=port)
        await stack.enter_async_context(
            running(
                alertmanager,
                f"--config.file={tmp_path}/alertmanager/alertmanager.yml",
                f"--storage.path={tmp_path}/alertmanager-data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            )
        )
        prometheus = await stack.enter_async_context(a_prometheus(tmp_path, tmp_path / "prometheus.yml"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await ready(session, port)
        yield Watch(farm, prometheus, inbox)


async def test_power_cut__one_workstation_down_at_the_receiver_and_no_emulator__power_back__resolved(
    watch: Watch,
) -> None:
    await watch.prometheus.until("sum(emuwatch_emulator_up)", [EMULATORS])
    await watch.prometheus.until("sum(emuwatch:workstation_available:min)", [WORKSTATIONS])
    cut = time.monotonic()
    watch.farm["ws-01"].power_off()
    await watch.inbox.until(1)
    _log.info("seconds to firing: %.1f", time.monotonic() - cut)
    # Longer than anything that hangs on a dead workstation would need to be told: the longest `for` of those is 15 m.
    await watch.prometheus.until('time() - ALERTS_FOR_STATE{alertname="WorkstationDown"} > bool 16', [1.0])
    assert watch.inbox.told() == [("firing", "WorkstationDown", "ws-01")]
    assert await watch.prometheus.query("sum(emuwatch_emulator_up)") == [EMULATORS / WORKSTATIONS]
    assert await watch.prometheus.query('count(ALERTS{alertstate="firing",alertname!="WorkstationDown"})') == []
    back = time.monotonic()
    watch.farm["ws-01"].power_on()
    await watch.inbox.until(2)
    _log.info("seconds to resolved: %.1f", time.monotonic() - back)
    await watch.prometheus.until("sum(emuwatch_emulator_up)", [EMULATORS])
    assert watch.inbox.told() == [("firing", "WorkstationDown", "ws-01"), ("resolved", "WorkstationDown", "ws-01")]


async def test_lying_console__contradicted_by_the_guest__is_told_as_that_and_as_nothing_else(watch: Watch) -> None:
    await watch.prometheus.until("sum(emuwatch_emulator_up)", [EMULATORS])
    watch.farm["ws-02"].lie(1)
    await watch.inbox.until(1)
    assert watch.inbox.told() == [("firing", "WitnessesDisagree", "ws-02")]
    watch.farm["ws-02"].lie(1, lying=False)
    await watch.inbox.until(2)
    assert watch.inbox.told()[1:] == [("resolved", "WitnessesDisagree", "ws-02")]


@pytest.mark.parametrize("watch", [(("ssh", "winrm"), SLOWLY)], indirect=True, ids=["no check of the login itself"])
async def test_refused_login__noticed_only_by_what_goes_through_it__is_told_and_its_end_too(watch: Watch) -> None:
    await watch.prometheus.until("sum(emuwatch_emulator_up)", [EMULATORS])
    watch.farm["ws-01"].refuse_logins()
    await watch.inbox.hears("firing", "AuthFailing", "ws-01")
    watch.farm["ws-01"].refuse_logins(refused=False)
    await watch.inbox.hears("resolved", "AuthFailing", "ws-01")
