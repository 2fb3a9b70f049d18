"""An operator at the command line acts on the running service, with the token it wrote."""

from __future__ import annotations

import asyncio
import dataclasses
import getpass
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from monitor.breaker.machine import Forced, State
from monitor.client import Client, ServiceError
from monitor.errors import ProbeError
from monitor.events import Asked, Event, Kind
from monitor.model import Category, Key, Status, SubjectKind
from monitor.notify.facts import seen_of
from monitor.operations import Deadlines, Equipment, LDPlayerManager, Workstation
from monitor.simulator.guest import Pace
from tests.e2e.conftest import Watched


async def emuwatch(*arguments: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "monitor",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.fixture
async def config(watched: Watched, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    port = watched.service.url.rstrip("/").rsplit(":", 1)[1]
    await asyncio.to_thread(path.write_text, watched.farm.config_yaml(listen=f"127.0.0.1:{port}"))
    return path


async def test_breakers__force_open_and_reset__act_on_the_service(watched: Watched, config: Path) -> None:
    key = Key(Category.NETWORK, "ws-01", f"ssh:{watched.host.ssh.port}")
    code, said = await emuwatch("breakers", "force-open", str(key), "--reason", "cabling", "-c", config)
    assert (code, said.strip()) == (0, f"{key}: open, forced open")
    assert watched.service.breakers.get(key).snapshot().forced is Forced.OPEN
    code, said = await emuwatch("breakers", "list", "--state", "forced", "-c", config)
    assert (code, "ssh" in said, "forced open" in " ".join(said.split())) == (0, True, True)
    code, said = await emuwatch("breakers", "reset", str(key), "--reason", "done", "-c", config)
    assert code == 0
    assert watched.service.breakers.get(key).snapshot().state is State.CLOSED


async def test_breakers__no_such_breaker__exits_2_and_names_it(watched: Watched, config: Path) -> None:
    code, said = await emuwatch("breakers", "reset", "network/ws-01/ssh:1", "--reason", "x", "-c", config)
    assert (code, said) == (2, "There is no breaker 'network/ws-01/ssh:1'.\n")


async def test_client__service_gone__says_where_it_looked(watched: Watched) -> None:
    gone = dataclasses.replace(watched.service.config, listen_port=1)
    with pytest.raises(ServiceError, match=re.escape("no service at http://127.0.0.1:1")):
        await asyncio.to_thread(Client(gone).get, "/api/v1/breakers")


async def test_emulators__stopped_from_the_command_line__is_no_fault_for_one_boot_time(
    watched: Watched, config: Path
) -> None:
    code, said = await emuwatch("emulators", "stop", "ws-01", "ldplayer:0", "-c", config)
    assert (code, "stop done" in said) == (0, True), said
    await watched.until(lambda: watched.state.emulators[0].state == "stopped")
    assert watched.state.emulators[0].status is Status.UP
    assert "just told" in watched.state.emulators[0].message


async def test_silence__by_command_line__nobody_is_told_until_it_is_ended(watched: Watched, config: Path) -> None:
    code, said = await emuwatch(
        "silence", "add", "-w", "ws-*", "--for", "2h", "--reason", "new disk", "--name", "disk", "-c", config
    )
    assert (code, "active" in said) == (0, True), said
    (item,) = [item for item in seen_of(watched.state).items if item.kind is SubjectKind.WORKSTATION]
    assert watched.service.silencing.muted(item)
    code, said = await emuwatch("silence", "list", "-c", config)
    assert (code, "new disk" in said) == (0, True), said
    (silence,) = watched.service.silencing.each()
    code, said = await emuwatch("silence", "end", silence.id, "--reason", "done", "-c", config)
    assert (code, said.strip()) == (0, f"{silence.id}: ended")
    assert not watched.service.silencing.muted(item)
    found = await watched.service.memory.find(Asked(kinds=(Kind.SILENCE,)))
    assert [(event.new, event.subject, bool(event.who)) for event in found.events] == [
        ("ended", "disk", True),
        ("added", "disk", True),
    ]


async def test_maintenance__by_command_line__is_in_the_metrics(watched: Watched, config: Path) -> None:
    code, said = await emuwatch("maintenance", "add", "-w", "ws-01", "--for", "2h", "--reason", "moved", "-c", config)
    assert code == 0, said
    async with aiohttp.ClientSession() as session, session.get(f"{watched.service.url}metrics") as response:
        text = await response.text()
    assert 'emuwatch_workstation_maintenance{workstation="ws-01"} 1' in text
    assert 'emuwatch_silences{purpose="maintenance"} 1' in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--for", "2h"), "say whom it covers"),
        (("-w", "ws-01"), "needs one of ends and duration"),
        (("--label", "rack", "--for", "2h"), "write NAME=VALUE"),
    ],
)
async def test_silence__said_wrong__exits_2_and_says_how(
    watched: Watched, config: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out = await emuwatch("silence", "add", *arguments, "--reason", "x", "-c", config)
    assert (code, said in out) == (2, True), out


async def test_restart__by_a_script__is_no_fault_and_an_event_of_the_service(watched: Watched, config: Path) -> None:
    watched.host.guests[0]._pace = Pace(vm=0.5, android=0.5, adb=0.5, quit=0.5)
    await asyncio.to_thread(restart_by_script, config)

    assert Status.DOWN not in watched.recorder.of(SubjectKind.EMULATOR)
    await watched.until(lambda: watched.state.emulators[0].status is Status.UP)
    (event,) = await operations(watched)
    assert (event.workstation, event.subject, event.new, event.who) == (
        "ws-01",
        "ldplayer:0",
        "done",
        getpass.getuser(),
    )
    assert event.message.startswith("restart: ldplayer:0 ")


async def test_operation__of_the_async_manager_that_fails__is_an_event_too(watched: Watched, config: Path) -> None:
    equipment = await asyncio.to_thread(
        Equipment.from_config, config, "ws-01", deadlines=Deadlines(start=0.5, command=5)
    )
    watched.host.desktop.deaf = True

    async with LDPlayerManager(equipment) as manager:
        with pytest.raises(ProbeError):
            await manager.start_emulator(5)

    (event,) = await operations(watched)
    assert (event.subject, event.new) == ("ldplayer:5", "failed")
    assert "asked to start ldplayer:5" in event.message


def restart_by_script(config: Path) -> None:
    with Workstation.from_config(config, "ws-01") as ws:
        assert ws.restart_emulator(0).changed


async def operations(watched: Watched) -> tuple[Event, ...]:
    """Wait for the word of the last operation, and give all there are."""
    async with asyncio.timeout(5):
        while not (  # noqa: ASYNC110 - a thread of ours tells, the service takes note
            found := await watched.service.memory.find(Asked(kinds=(Kind.OPERATION,)))
        ).events:
            await asyncio.sleep(0.01)
    return found.events
