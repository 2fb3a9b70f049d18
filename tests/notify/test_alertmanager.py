"""A real Alertmanager takes our alerts, groups them, keeps them while refreshed, resolves them, holds a silence."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from monitor.breaker.registry import Breakers
from monitor.channels import alertmanager, discover, webhook
from monitor.fleet import Fleet
from monitor.model import Category, Status
from monitor.notices import ChannelSpec, Item, Notice, Notifications, Route, Telling
from monitor.notify import Notifier, Outbox, StoredJournal
from monitor.notify.payload import loads
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


@asynccontextmanager
async def notifying(alerts: Alerts, outbox: Outbox, *, refresh: str = "1s") -> AsyncIterator[Notifier]:
    made = Notifier(kinds=KINDS, fleet=Fleet(), breakers=Breakers(), outbox=outbox, tick=0.1)
    take(made, alerts, a_route(), refresh=refresh)
    await made.start()
    yield made
    await made.aclose(0)


def take(notifier: Notifier, alerts: Alerts, *routes: Route, refresh: str = "1s") -> None:
    """Take a config with a channel for Alertmanager and one more."""
    params = alertmanager.Params(url=SecretStr(alerts.url), refresh=refresh)
    other = webhook.Params(url=SecretStr("http://127.0.0.1:1/"))
    channels = {"c": ChannelSpec("alertmanager", params), "d": ChannelSpec("webhook", other)}
    config = Notifications(channels=channels, routes=routes)
    notifier.replace(config, workstations=["ws-01", "ws-02"], url="https://m.example", window=60)


@pytest.fixture
async def notifier(alerts: Alerts) -> AsyncIterator[Notifier]:
    async with notifying(alerts, Outbox()) as made:
        yield made


async def tell(
    notifier: Notifier,
    telling: Telling,
    *items: Item,
    causes: tuple[Item, ...] = (),
    recovered: tuple[Item, ...] = (),
    route: str = "r",
) -> None:
    group = (*items, *recovered)[0].workstation
    now = notifier._wall()
    await notifier._put(
        Notice(
            telling=telling,
            route=route,
            group=group,
            at=now,
            opened=now - 60,
            problems=items,
            causes=causes,
            recovered=recovered,
        )
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


async def test_workstation_that_stays_degraded__each_check_that_fails_is_an_alert_of_its_own(
    alerts: Alerts, notifier: Notifier
) -> None:
    top = down("ws-01", Status.DEGRADED)
    panel, rdp = (an_item("ws-01", name, status=Status.DOWN) for name in ("panel", "rdp"))

    def checks(found: list[dict[str, Any]]) -> list[str]:
        return sorted(alert["labels"].get("check", "") for alert in found)

    await tell(notifier, Telling.PROBLEM, top, causes=(panel,))
    await alerts.until(lambda found: checks(found) == ["", "panel"])
    await tell(notifier, Telling.UPDATE, top, causes=(panel, rdp))
    await alerts.until(lambda found: checks(found) == ["", "panel", "rdp"])
    await tell(notifier, Telling.UPDATE, top, causes=(rdp,), recovered=(panel,))
    await alerts.until(lambda found: checks(found) == ["", "rdp"])
    await tell(notifier, Telling.RESOLVED, recovered=(an_item("ws-01"),))
    await alerts.until(lambda found: not found)


async def test_end__told_by_the_process_after__is_the_end_of_the_very_alert(
    alerts: Alerts, journal: StoredJournal
) -> None:
    """Refreshed once an hour, an alert that is not ended by its own labels would stand for three."""
    async with notifying(alerts, Outbox(journal), refresh="1h") as before:
        await tell(before, Telling.PROBLEM, down("ws-01", Status.DEGRADED))
        await tell(before, Telling.PROBLEM, down("ws-02"))
        await alerts.until(lambda found: len(found) == 2)
    async with notifying(alerts, Outbox(journal), refresh="1h") as after:
        await tell(after, Telling.UPDATE, down("ws-01"))
        await alerts.until(lambda found: [alert["labels"]["status"] for alert in found] == ["down"] * 2)
        await tell(after, Telling.RESOLVED, recovered=(an_item("ws-01"),))
        await tell(after, Telling.RESOLVED, recovered=(an_item("ws-02", labels={"rack": "moved"}),))
        await alerts.until(lambda found: not found)


@pytest.mark.parametrize("routes", [(a_route(name="renamed"),), (a_route(channels=("d",)),), ()])
async def test_route_renamed_left_or_removed__what_it_told_has_ended(
    alerts: Alerts, journal: StoredJournal, routes: tuple[Route, ...]
) -> None:
    async with notifying(alerts, Outbox(journal), refresh="1h") as notifier:
        await tell(notifier, Telling.PROBLEM, down("ws-01"))
        await alerts.until(lambda found: len(found) == 1)
        take(notifier, alerts, *routes, refresh="1h")
        await alerts.until(lambda found: not found)
    (last,) = [entry for entry in await journal.latest() if entry.channel == "c"]
    assert loads(last.payload).notice.telling is Telling.RESOLVED, "a process after it takes it for over, too"


async def test_route_removed_while_the_service_was_down__what_it_told_has_ended(
    alerts: Alerts, journal: StoredJournal
) -> None:
    async with notifying(alerts, Outbox(journal), refresh="1h") as before:
        await tell(before, Telling.PROBLEM, down("ws-01"))
        await alerts.until(lambda found: len(found) == 1)
    after = Notifier(kinds=KINDS, fleet=Fleet(), breakers=Breakers(), outbox=Outbox(journal), tick=0.1)
    take(after, alerts, a_route(name="other"), refresh="1h")
    await after.start()
    await alerts.until(lambda found: not found)
    await after.aclose(0)


async def test_route_removed__another_tells_the_same_by_the_channel__it_stands(
    alerts: Alerts, notifier: Notifier
) -> None:
    take(notifier, alerts, a_route(), a_route(name="s"), refresh="1h")
    for route in ("r", "s"):
        await tell(notifier, Telling.PROBLEM, down("ws-01"), route=route)
    await alerts.until(lambda found: len(found) == 1)
    take(notifier, alerts, a_route(name="s"), refresh="1h")
    await notifier.decide()
    await tell(notifier, Telling.PROBLEM, down("ws-02"), route="s")  # what is sent after all that might have ended it
    await alerts.until(lambda found: {alert["labels"]["workstation"] for alert in found} >= {"ws-02"})
    assert len(await alerts.active()) == 2


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
