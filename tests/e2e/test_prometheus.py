"""A real Prometheus scrapes the service and sees a breaker go from closed to open and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import Watched
from tests.prometheus import Prometheus, a_prometheus, scraping
from tests.servers import require_program


@pytest.fixture
async def prometheus(watched: Watched, tmp_path: Path) -> AsyncIterator[Prometheus]:
    target = watched.service.url.removeprefix("http://").rstrip("/")
    async with a_prometheus(tmp_path, scraping(target)) as running:
        yield running


async def test_prometheus__fault_injected_and_lifted__sees_the_breaker_and_the_very_first_trip(
    watched: Watched, prometheus: Prometheus
) -> None:
    labels = f'{{category="network",workstation="ws-01",scope="ssh:{watched.host.ssh.port}"}}'
    await prometheus.until(f"emuwatch_breaker_state{labels}", [0.0])
    await prometheus.until(f"emuwatch_breaker_trips_total{labels}", [0.0])
    await prometheus.until('emuwatch_workstation_status{status="up"}', [1.0])
    watched.host.power_off()
    await prometheus.until(f"emuwatch_breaker_state{labels}", [2.0])
    await prometheus.until('emuwatch_workstation_status{status="down"}', [1.0])
    await prometheus.until(f"increase(emuwatch_breaker_trips_total{labels}[5m]) > bool 0.5", [1.0])
    watched.host.power_on()
    await prometheus.until(f"emuwatch_breaker_state{labels}", [0.0])
    assert await prometheus.query(f"max_over_time(emuwatch_breaker_state{labels}[5m])") == [2.0]
    await watched.until(watched.well)
    await prometheus.until('emuwatch_workstation_status{status="up"}', [1.0])


async def test_promtool__metrics_of_the_running_service__are_clean(watched: Watched) -> None:
    program = await asyncio.to_thread(require_program, "promtool", "prometheus")
    async with aiohttp.ClientSession() as session, session.get(f"{watched.service.url}metrics") as response:
        text = await response.read()
    process = await asyncio.create_subprocess_exec(
        program,
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(text)
    assert (process.returncode, said.decode()) == (0, "")
