"""A config is taken whole or not at all, and what did not change goes on as if nothing had happened."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml
from structlog.testing import capture_logs

from monitor.app import Service
from monitor.config import load
from monitor.errors import ConfigError
from monitor.events import Asked, Event, Kind
from monitor.simulator.farm import Farm
from monitor.token import NAME
from monitor.watching import LOOK
from tests.e2e.conftest import INTERVAL, OPEN_TIME, Recorder

BAD = sorted((Path(__file__).parents[1] / "data" / "config").glob("bad-*.yaml"))


@dataclass
class Running:
    """A service that watches two simulated workstations by a config file."""

    service: Service
    config: Path
    recorder: Recorder
    document: dict[str, list[dict[str, object]]]

    async def reload(self, change: Mapping[str, object]) -> str:
        """Change the config, reload as an operator does, return the answer."""
        await self.write({**self.document, **change})
        token = (self.service.config.data_dir / NAME).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.service.url}-/reload", headers=headers) as response,
        ):
            return await response.text()

    async def page(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(self.service.url) as response:
            return await response.text()

    async def write(self, document: object) -> None:
        await asyncio.to_thread(self.config.write_text, yaml.safe_dump(document))

    async def scrape(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.service.url}metrics") as response:
            return await response.text()

    async def reloads(self) -> list[Event]:
        found = await self.service.memory.find(Asked(kinds=(Kind.RELOAD,)))
        return list(found.events)

    def workstations(self) -> set[str]:
        return {state.workstation.id for state in self.service.fleet.snapshot()}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with Farm(workstations=2) as farm:
        document = farm.config(interval=INTERVAL, open_time=OPEN_TIME)
        path = tmp_path / "config.yaml"
        await asyncio.to_thread(path.write_text, yaml.safe_dump(document))
        service = Service(await asyncio.to_thread(load, path), config_path=path)
        await service.start()
        recorder = Recorder()
        service.fanout.add(recorder)
        try:
            yield Running(service, path, recorder, document)  # type: ignore[arg-type]  # its workstations are a list
        finally:
            await service.stop()


async def test_reload__every_bad_config__leaves_the_running_one_untouched_and_says_so(running: Running) -> None:
    assert len(BAD) >= 20
    for path in BAD:
        await running.write(running.document)
        await running.service.reload()
        before, watched = running.service.config, running.workstations()
        assert "emuwatch_config_last_reload_successful 1" in await running.scrape()
        assert "reload was refused" not in await running.page()
        await asyncio.to_thread(running.config.write_bytes, await asyncio.to_thread(path.read_bytes))
        with pytest.raises(ConfigError) as caught:
            await running.service.reload()
        assert running.service.config is before, path.name
        assert running.workstations() == watched, path.name
        assert "emuwatch_config_last_reload_successful 0" in await running.scrape(), path.name
        page = html.unescape(await running.page())
        assert "reload was refused" in page, path.name
        assert str(caught.value.problems[0])[:500] in page, path.name


async def test_reload__workstation_removed__is_gone_from_page_and_metrics_and_the_other_keeps_its_history(
    running: Running,
) -> None:
    def all_asked() -> bool:
        state = running.service.fleet.workstation("ws-01")
        return state is not None and all(check.since is not None for check in state.checks)

    async with asyncio.timeout(10):
        while not all_asked():
            running.recorder.heard.clear()
            await running.recorder.heard.wait()
    kept = running.service.fleet.workstation("ws-01")
    running.document["workstations"] = running.document["workstations"][:1]
    await running.write(running.document)
    await running.service.reload()
    assert running.workstations() == {"ws-01"}
    text = await running.scrape()
    assert 'workstation="ws-01"' in text
    assert 'workstation="ws-02"' not in text
    again = running.service.fleet.workstation("ws-01")
    assert kept is not None
    assert again is not None
    assert [check.since for check in again.checks] == [check.since for check in kept.checks]


async def test_change_of_the_file__without_a_signal__is_reloaded_soon(running: Running) -> None:
    running.document["workstations"] = running.document["workstations"][:1]
    await running.write(running.document)
    async with asyncio.timeout(15):
        while running.service.status().last_reload_ok is None:  # noqa: ASYNC110 - a file, not an event
            await asyncio.sleep(0.1)
    assert running.service.status().last_reload_ok
    assert running.workstations() == {"ws-01"}
    (event,) = await running.reloads()
    assert (event.subject, event.new, event.who) == ("files", "ok", "")


async def test_change_that_adds_an_inventory_file__is_reloaded_once(running: Running, tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    moved = {"workstations": [running.document["workstations"].pop()]}
    text = yaml.safe_dump(moved)
    await asyncio.to_thread((tmp_path / "inventory" / "a.yaml").write_text, text)
    await running.write({**running.document, "inventory_files": ["inventory/*.yaml"]})
    await running.service.reload(who="alice")
    assert running.workstations() == {"ws-01", "ws-02"}
    await asyncio.sleep(4 * LOOK)  # whatever else were reloaded would be by now
    (event,) = await running.reloads()
    assert (event.subject, event.new, event.who, event.message) == ("request", "ok", "alice", "2 workstations")


async def test_reload__of_what_is_read_at_the_start_only__says_that_it_needs_a_restart(running: Running) -> None:
    with capture_logs() as logs:
        said = await running.reload({"listen": "127.0.0.1:9", "lanes": {"process": 99}})
    assert said == "reloaded; needs a restart: listen, lanes.process\n"
    assert [entry["keys"] for entry in logs if "needs a restart" in entry["event"]] == ["listen, lanes.process"]
    assert "<strong>Needs a restart:</strong> listen, lanes.process changed" in await running.page()
    (event,) = (await running.service.memory.find(Asked(kinds=(Kind.RELOAD,)))).events
    assert event.message == "2 workstations; needs a restart: listen, lanes.process"
    assert await running.reload({}) == "reloaded\n", "it is as at the start again"
    assert "Needs a restart" not in await running.page()
