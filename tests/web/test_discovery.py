"""The workstations as Prometheus discovers them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from monitor.model import Platform, Status, Workstation, WorkstationState
from tests.prometheus import a_prometheus
from tests.web.farm import Farm

PATH = "/api/v1/targets/http_sd"
HOSTILE = 'a"b\\c\nd'


def state(identity: str, host: str, **changes: Any) -> WorkstationState:
    return WorkstationState(
        workstation=Workstation(id=identity, host=host, **changes),
        status=Status.DOWN,
        since=None,
        message="",
        flapping=False,
        checks=(),
        emulators=(),
    )


FARM = Farm(
    states=[
        state("ws-01", "10.0.0.1", site="berlin", labels={"rack": "b-1"}),
        state("ws-02", "fd00::2", site="hanoi", labels={"note": HOSTILE}),
        state("ws-03", "lx.example", platform=Platform.LINUX),
    ]
)


async def asked(aiohttp_client: AiohttpClient, query: str = "") -> list[dict[str, Any]]:
    client = await aiohttp_client(FARM.app())
    async with client.get(PATH + query) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        groups: list[dict[str, Any]] = await response.json()
        return groups


async def test_http_sd__lists_every_workstation_on_its_platforms_port_with_the_labels_of_the_metrics(
    aiohttp_client: AiohttpClient,
) -> None:
    assert await asked(aiohttp_client) == [
        {
            "targets": ["10.0.0.1:9182"],
            "labels": {
                "workstation": "ws-01",
                "site": "berlin",
                "platform": "windows",
                "__meta_emuwatch_label_rack": "b-1",
            },
        },
        {
            "targets": ["[fd00::2]:9182"],
            "labels": {
                "workstation": "ws-02",
                "site": "hanoi",
                "platform": "windows",
                "__meta_emuwatch_label_note": 'a"b\\c\N{REPLACEMENT CHARACTER}d',
            },
        },
        {"targets": ["lx.example:9100"], "labels": {"workstation": "ws-03", "site": "", "platform": "linux"}},
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?site=berlin", ["10.0.0.1:9182"]),
        ("?site=", ["lx.example:9100"]),
        ("?platform=linux", ["lx.example:9100"]),
        ("?platform=windows&port=9100", ["10.0.0.1:9100", "[fd00::2]:9100"]),
        ("?site=nowhere", []),
    ],
)
async def test_http_sd__asked_for_some__lists_those(
    query: str, expected: list[str], aiohttp_client: AiohttpClient
) -> None:
    assert [group["targets"][0] for group in await asked(aiohttp_client, query)] == expected


@pytest.mark.parametrize("query", ["?port=0", "?port=65536", "?port=x", "?platform=mac", "?platform="])
async def test_http_sd__asked_for_nonsense__is_400_and_names_it(query: str, aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(FARM.app())
    async with client.get(PATH + query) as response:
        assert response.status == 400
        assert query[1:].partition("=")[0] in await response.text()


async def test_http_sd__prometheus__takes_the_targets_with_their_labels(aiohttp_server: Any, tmp_path: Path) -> None:
    server = await aiohttp_server(FARM.app())
    job = {
        "job_name": "windows",
        "http_sd_configs": [{"url": str(server.make_url(PATH)), "refresh_interval": "1s"}],
        "relabel_configs": [{"action": "labelmap", "regex": "__meta_emuwatch_label_(.+)"}],
    }
    async with a_prometheus(tmp_path, {"scrape_configs": [job]}) as prometheus, asyncio.timeout(60):
        while not (targets := (await prometheus.ask("targets"))["activeTargets"]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    labels = {target["discoveredLabels"]["__address__"]: target["labels"] for target in targets}
    assert set(labels) == {"10.0.0.1:9182", "[fd00::2]:9182", "lx.example:9100"}
    found = labels["10.0.0.1:9182"]
    assert (found["workstation"], found["site"], found["rack"]) == ("ws-01", "berlin", "b-1")
    assert labels["[fd00::2]:9182"]["note"] == 'a"b\\c\N{REPLACEMENT CHARACTER}d'
