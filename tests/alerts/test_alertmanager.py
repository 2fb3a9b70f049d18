"""The example for Alertmanager, by a real one: what holds back what, and what is told in one message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.servers import free_port, require_program

EXAMPLE: Final = Path(__file__).parents[2] / "alerts" / "alertmanager" / "alertmanager.yml"
HOST: Final = {"job": "emuwatch", "site": "berlin", "workstation": "ws-01"}
OTHER: Final = HOST | {"workstation": "ws-02"}
AWAY: Final = HOST | {"site": "hanoi", "workstation": "ws-03"}
SITE: Final = {"job": "emuwatch", "site": "berlin"}

Labels = dict[str, str]


def alert(name: str, where: Labels, severity: str = "warning", **more: str) -> Labels:
    return {"alertname": name, "severity": severity} | where | more


@dataclass
class Alertmanager:
    """A running one, which delivers nowhere."""

    session: aiohttp.ClientSession
    url: str

    async def fire(self, alerts: Iterable[Labels]) -> None:
        body = [{"labels": labels} for labels in alerts]
        async with self.session.post(f"{self.url}/api/v2/alerts", json=body) as response:
            assert response.status == 200, await response.text()

    async def all(self) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/api/v2/alerts") as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def held_back(self, *alerts: Labels) -> list[Labels]:
        """Fire alerts at once and say which of them nobody will hear of."""
        await self.fire(alerts)
        async with asyncio.timeout(20):
            while True:
                found = await self.all()
                if len(found) == len(alerts) and all(each["status"]["state"] != "unprocessed" for each in found):
                    break
                await asyncio.sleep(0.05)
        silent = [each["labels"] for each in found if each["status"]["inhibitedBy"]]
        return [labels for labels in alerts if labels in silent]

    async def groups(self) -> list[Labels]:
        async with self.session.get(f"{self.url}/api/v2/alerts/groups") as response:
            return [group["labels"] for group in await response.json()]


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    program = await asyncio.to_thread(require_program, "prometheus-alertmanager", "prometheus-alertmanager")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={EXAMPLE}",
        f"--storage.path={tmp_path}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            running = Alertmanager(session, f"http://127.0.0.1:{port}")
            async with asyncio.timeout(30):
                while not await is_ready(running):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            yield running
    finally:
        process.terminate()
        await process.wait()


async def is_ready(running: Alertmanager) -> bool:
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with running.session.get(f"{running.url}/-/ready") as response:
            return response.status == 200
    return False


DOWN = alert("WorkstationDown", HOST, "critical")
EMULATOR = alert("EmulatorDown", HOST, emulator="ldplayer:3")
DISK = alert("DiskWillFill", HOST, volume="C:")
DEGRADED = alert("WorkstationDegraded", HOST, "info")
LATE = alert("EmuwatchLate", {"job": "emuwatch", "instance": "mon:9877"})
AT_SITE = alert("WorkstationUnreachableSite", SITE, "critical")


async def test_dead_workstation__holds_back_its_emulators_and_nobody_elses(alertmanager: Alertmanager) -> None:
    elsewhere = alert("EmulatorDown", OTHER, emulator="ldplayer:3")
    assert await alertmanager.held_back(DOWN, EMULATOR, elsewhere, DISK) == [EMULATOR]


async def test_maintenance__holds_back_whatever_is_said_of_its_workstation_and_nothing_else(
    alertmanager: Alertmanager,
) -> None:
    window = alert("WorkstationMaintenance", HOST, "info")
    beside = alert("WorkstationDown", OTHER, "critical")
    held = await alertmanager.held_back(window, DISK, DEGRADED, beside, AT_SITE, LATE)
    assert held == [DISK, DEGRADED, beside], "the last by the site, which maintenance of one does not hold back"


async def test_dead_site__holds_back_its_workstations_and_no_other_sites(alertmanager: Alertmanager) -> None:
    beside, away = alert("WorkstationDown", OTHER, "critical"), alert("WorkstationDown", AWAY, "critical")
    burn = alert("WorkstationBudgetBurnFast", SITE)
    held = await alertmanager.held_back(AT_SITE, DOWN, beside, away, EMULATOR, DISK, burn)
    assert held == [DOWN, beside, EMULATOR, burn]


async def test_emuwatch_gone__holds_back_everything__but_one_of_several_gone_nothing(
    alertmanager: Alertmanager,
) -> None:
    one = alert("EmuwatchDown", {"job": "emuwatch", "instance": "b:1"}, "critical")
    assert await alertmanager.held_back(one, DOWN) == []
    everything = alert("EmuwatchDown", {}, "critical")
    assert await alertmanager.held_back(one, DOWN, everything) == [DOWN]


async def test_emuwatch_cut_off__holds_back_what_it_says_of_the_farm_and_not_of_itself(
    alertmanager: Alertmanager,
) -> None:
    isolated = alert("EmuwatchIsolated", {"job": "emuwatch", "instance": "mon:9877"}, "critical")
    assert await alertmanager.held_back(isolated, DOWN, AT_SITE, LATE) == [DOWN, AT_SITE]


async def test_degraded_workstation__is_held_back_only_by_what_says_more_of_it(alertmanager: Alertmanager) -> None:
    beside = alert("WorkstationDegraded", OTHER, "info")
    assert await alertmanager.held_back(DEGRADED, beside, alert("AuthFailing", HOST, reason="auth")) == [DEGRADED]


async def test_worse_of_two__holds_back_the_other(alertmanager: Alertmanager) -> None:
    soon, now = (alert("CertificateEnds", HOST, severity, check="panel") for severity in ("warning", "critical"))
    slow, fast = alert("EmulatorBudgetBurnSlow", SITE, "info"), alert("EmulatorBudgetBurnFast", SITE)
    other = alert("CertificateEnds", HOST, check="rdp")
    assert await alertmanager.held_back(soon, now, other, slow, fast) == [soon, slow]


async def test_fifty_emulators__of_one_workstation_are_one_message__two_workstations_of_a_site_are_one(
    alertmanager: Alertmanager,
) -> None:
    fifty = [alert("EmulatorDown", AWAY, emulator=f"ldplayer:{index}") for index in range(50)]
    both = [alert("WorkstationDown", where, "critical") for where in (HOST, OTHER)]
    assert await alertmanager.held_back(*fifty, *both) == []
    assert sorted(await alertmanager.groups(), key=str) == sorted(
        [{"alertname": "EmulatorDown"} | AWAY, {"alertname": "WorkstationDown"} | SITE], key=str
    )
