"""The whole service on a simulated farm: what a power cut tells, and `emuwatch notify test`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from monitor.app import Service
from monitor.cli import app
from monitor.config import load_text
from monitor.model import Status
from monitor.simulator.farm import Farm
from tests.notify.conftest import Receiver

INTERVAL = 0.3
ROUTE = {"channels": ["hook"], "after": "500ms", "wait": "1s", "resolve_after": "2s", "update": "1m", "remind": "never"}


def a_config(farm: Farm, url: str) -> dict[str, object]:
    notifications = {"channels": {"hook": {"kind": "webhook", "url": url}}, "routes": [ROUTE]}
    return {**farm.config(interval=INTERVAL, open_time=1.0), "notifications": notifications}


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(workstations=1, emulators=20) as made:
        yield made


async def start(config: dict[str, object]) -> Service:
    service = await asyncio.to_thread(lambda: Service(load_text(json.dumps(config), name="farm")))
    await service.start()
    return service


async def until_well(service: Service) -> None:
    async with asyncio.timeout(30):
        while True:
            (state,) = service.fleet.snapshot()
            if (
                state.status is Status.UP
                and len(state.emulators) == 20
                and {e.status for e in state.emulators} == {Status.UP}
            ):
                return
            await asyncio.sleep(0.05)


async def test_power_cut__of_a_workstation_with_20_emulators__is_one_message_over_a_restart_and_its_return_one(
    farm: Farm, receiver: Receiver
) -> None:
    service = await start(a_config(farm, receiver.url))
    try:
        await until_well(service)
        farm.workstations[0].power_off()
        await receiver.until(lambda: len(receiver.requests) == 1)
        await asyncio.sleep(3 * INTERVAL)  # whatever else were told would be told now
    finally:
        await service.stop()
    service = await start(a_config(farm, receiver.url))
    try:
        await asyncio.sleep(3 * INTERVAL)
        farm.workstations[0].power_on()
        await receiver.until(lambda: len(receiver.requests) == 2, 30)
        await asyncio.sleep(3 * INTERVAL)
        text = await asyncio.to_thread(lambda: "\n".join(str(f) for f in service.metrics.families()))
    finally:
        await service.stop()
    told: list[Any] = [request.json for request in receiver.requests]
    assert [(t["kind"], t["group"]) for t in told] == [("problem", "ws-01"), ("resolved", "ws-01")]
    assert [(p["kind"], p["status"]) for p in told[0]["problems"]] == [("workstation", "down")]
    assert told[0]["emulators"]["known"] == 20
    assert told[0]["emulators"]["affected"] >= 4
    assert told[0]["breakers"][0]["trial_at"] is not None
    assert "emuwatch_notifications_total" in text


def test_cli__sends_a_real_test_message_and_says_what_happened(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "notifications: {channels: {hook: {kind: webhook, url: 'http://127.0.0.1:1/'}}}\n"
        "workstations: [{host: 127.0.0.1, checks: [{kind: tcp, port: 1}]}]\n",
        encoding="utf-8",
    )
    refused = CliRunner().invoke(app, ["notify", "test", "hook", "-c", str(config)])
    assert refused.exit_code == 1
    assert "hook (webhook): not sent: 127.0.0.1: connection refused; it would be tried again" in refused.output
    unknown = CliRunner().invoke(app, ["notify", "test", "hok", "-c", str(config)])
    assert (unknown.exit_code, "no channel 'hok'; known are: hook" in unknown.output) == (2, True)


async def test_cli__to_a_receiver_that_takes_it__says_sent(tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "config.yaml"
    text = (
        f"notifications: {{channels: {{hook: {{kind: webhook, url: '{receiver.url}'}}}}}}\n"
        "workstations: [{host: 127.0.0.1, checks: [{kind: tcp, port: 1}]}]\n"
    )
    await asyncio.to_thread(config.write_text, text, encoding="utf-8")
    sent = await asyncio.to_thread(CliRunner().invoke, app, ["notify", "test", "hook", "-c", str(config)])
    assert (sent.exit_code, sent.output) == (0, "hook (webhook): sent\n")
    assert receiver.requests[0].json["kind"] == "test"
    assert receiver.requests[0].json["title"] == "[test] Emuwatch can reach you"


async def test_refused_webhook__is_shown_on_the_page_counted_and_an_event(receiver: Receiver) -> None:
    receiver.status = 401
    async with Farm(workstations=1) as farm:
        service = await start(a_config(farm, receiver.url))
        try:
            farm.workstations[0].http_status(500)
            await receiver.until(lambda: bool(receiver.requests), 30)
            async with aiohttp.ClientSession(service.url) as session:
                page = await _text(session, "/")
                async with asyncio.timeout(10):
                    while "Nobody is told of problems by" not in page:
                        page = await _text(session, "/")
                metrics = await _text(session, "/metrics")
                events = await _text(session, "/api/v1/events?kind=notification")
        finally:
            await service.stop()
    assert "answered HTTP 401" in page
    assert "it stays so until its config is changed" in page
    assert "; 1 wait." in page
    assert 'emuwatch_notifications_total{channel="hook",outcome="refused"} 1.0' in metrics
    assert 'emuwatch_notifications_total{channel="hook",outcome="failure"} 1.0' in metrics
    assert 'emuwatch_notification_channel_up{channel="hook"} 0.0' in metrics
    assert '"refused"' in events


async def _text(session: aiohttp.ClientSession, path: str) -> str:
    async with session.get(path) as answer:
        assert answer.status == 200
        return await answer.text()
