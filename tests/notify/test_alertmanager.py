"""A real Alertmanager takes our alerts, groups them, keeps them while refreshed, resolves them, holds a silence."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from monitor.breaker.registry import Breakers
from monitor.channels import alertmanager, discover
from monitor.fleet import Fleet
from monitor.model import Category, Status
from monitor.notices import ChannelSpec, Item, Notice, Notifications, Telling
from monitor.notify import Notifier, Outbox
from tests.notify.conftest import Receiver
from tests.notify.told import a_route, an_item
from tests.servers import require_program

KINDS = discover()
CONFIG = """
route: {receiver: hook, group_by: [site], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: "%s", send_resolved: true}]}]
"""


class Alerts:
    """A running Alertmanager."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def active(self) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/api/v2/alerts") as answer:
            return list(await answer.json())

    async def amtool(self, *words: str) -> str:
        amtool = require_program("amtool", "prometheus-alertmanager")
        ran = await asyncio.create_subprocess_exec(
            amtool, f"--alertmanager.url={self.url}", *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await ran.communicate()
        assert ran.returncode == 0
        return out.decode().strip()

    async def until(self, right: Callable[[list[dict[str, Any]]], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not right(await self.active()):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)


@pytest.fixture
async def alerts(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Alerts]:
    program = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    config = tmp_path / "alertmanager.yml"
    await asyncio.to_thread(config.write_text, CONFIG % receiver.url, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = await asyncio.to_thread((tmp_path / "log").open, "wb")
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={config}",
        f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stdout=log,
        stderr=log,
    )
    made = Alerts(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    await made.active()
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
        log.close()


@pytest.fixture
async def notifier(alerts: Alerts) -> AsyncIterator[Notifier]:
    params = alertmanager.Params(url=SecretStr(alerts.url), refresh="1s")
    made = Notifier(kinds=KINDS, fleet=Fleet(), breakers=Breakers(), outbox=Outbox(), tick=0.1)
    config = Notifications(channels={"c": ChannelSpec("alertmanager", params)}, routes=(a_route(),))
    made.replace(config, workstations=["ws-01", "ws-02"], url="https://m.example", window=60)
    await made.start()
    yield made
    await made.aclose(0)


async def tell(notifier: Notifier, telling: Telling, *items: Item, recovered: tuple[Item, ...] = ()) -> None:
    group = (*items, *recovered)[0].workstation
    now = notifier._wall()
    await notifier._put(
        Notice(telling=telling, route="r", group=group, at=now, opened=now - 60, problems=items, recovered=recovered)
    )


def down(workstation: str, status: Status = Status.DOWN) -> Item:
    return an_item(workstation, status=status, labels={"rack": "a"}, message="icmp timeout")


async def test_alerts__are_pushed_grouped_refreshed_and_resolved(
    alerts: Alerts, notifier: Notifier, receiver: Receiver
) -> None:
    await tell(notifier, Telling.PROBLEM, down("ws-01"))
    await tell(notifier, Telling.PROBLEM, down("ws-02"))
    await alerts.until(lambda found: len(found) == 2)
    one = next(alert for alert in await alerts.active() if alert["labels"]["workstation"] == "ws-01")
    assert one["labels"] == {
        "alertname": "EmuwatchWorkstation",
        "workstation": "ws-01",
        "site": "berlin",
        "rack": "a",
        "category": Category.NETWORK.value,
        "severity": "critical",
        "status": "down",
    }
    assert one["annotations"]["description"] == "icmp timeout"
    assert one["generatorURL"] == "https://m.example/workstations/ws-01"
    await receiver.until(lambda: any(len(request.json["alerts"]) == 2 for request in receiver.requests))
    before = one["endsAt"]
    await alerts.until(lambda found: len(found) == 2 and all(alert["endsAt"] > before for alert in found))
    well = tuple(an_item(name, status=Status.UP) for name in ("ws-01", "ws-02"))
    await tell(notifier, Telling.RESOLVED, recovered=well[:1])
    await tell(notifier, Telling.RESOLVED, recovered=well[1:])
    await alerts.until(lambda found: not found)
    await receiver.until(lambda: receiver.requests[-1].json["status"] == "resolved")


async def test_alert__that_gets_worse__is_one_alert_not_two(alerts: Alerts, notifier: Notifier) -> None:
    await tell(notifier, Telling.PROBLEM, down("ws-01", Status.DEGRADED))
    await alerts.until(lambda found: len(found) == 1)
    await tell(notifier, Telling.UPDATE, down("ws-01"))
    await alerts.until(lambda found: [alert["labels"]["status"] for alert in found] == ["down"])


async def test_silence__by_amtool__holds(alerts: Alerts, notifier: Notifier, receiver: Receiver) -> None:
    await alerts.amtool("silence", "add", "workstation=ws-01", "--comment=moved", "--author=ops", "--duration=1h")
    await tell(notifier, Telling.PROBLEM, down("ws-01"))
    await tell(notifier, Telling.PROBLEM, down("ws-02"))
    await receiver.until(lambda: bool(receiver.requests))
    await alerts.until(lambda found: len(found) == 2)
    states = {alert["labels"]["workstation"]: alert["status"]["state"] for alert in await alerts.active()}
    assert states == {"ws-01": "suppressed", "ws-02": "active"}
    told = {alert["labels"]["workstation"] for request in receiver.requests for alert in request.json["alerts"]}
    assert told == {"ws-02"}
