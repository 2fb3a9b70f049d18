"""An operator at the command line acts on the running service, with the token it wrote."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
from pathlib import Path

import pytest

from monitor.breaker.machine import Forced, State
from monitor.client import Client, ServiceError
from monitor.model import Category, Key, Status
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
