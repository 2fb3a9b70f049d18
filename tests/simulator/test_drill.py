from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.config import load
from monitor.simulator.drill import FAULTS, MeaninglessError, carry_out, usage
from monitor.simulator.farm import Farm
from monitor.simulator.hostfacts import DISK_FREE


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(workstations=2, emulators=4) as farm:
        yield farm


@pytest.mark.parametrize("word", FAULTS)
async def test_fault__every_word__is_carried_out(farm: Farm, word: str) -> None:
    argument = {"DURATION": "2s", "STATUS": "503", "GIB": "1", "EMULATOR": "2", "": ""}[FAULTS[word].takes]
    assert carry_out(farm, f"{word} ws-01 {argument}") == f"ws-01: {FAULTS[word].says}"


async def test_fault__with_a_wildcard__is_that_of_several(farm: Farm) -> None:
    assert carry_out(farm, "fill-disk ws-* 3") == "ws-01, ws-02: so much of its disk is left free"
    assert [host.console.hardware.disk_free for host in farm.workstations] == [3 * 2**30] * 2
    carry_out(farm, "well ws-02")
    assert [host.console.hardware.disk_free for host in farm.workstations] == [3 * 2**30, DISK_FREE]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("melt ws-01", "'melt' means nothing; there are power-off"),
        ("power-off", "write power-off WORKSTATION"),
        ("power-off ws-01 now", "write power-off WORKSTATION"),
        ("slow ws-01", "write slow WORKSTATION DURATION"),
        ("slow ws-01 2", "2 has no unit; write 2s"),
        ("http ws-01 1000", "'1000' is no HTTP status"),
        ("freeze ws-01 9", "ws-01 has emulators 0 to 3, not '9'"),
        ("fill-disk ws-01 -1", "write how many GiB are left free"),
        ("power-off ws-99", "there is no workstation 'ws-99'; there are ws-01 to ws-02"),
    ],
)
async def test_line__that_means_nothing__is_refused_with_words(farm: Farm, line: str, said: str) -> None:
    with pytest.raises(MeaninglessError, match=re.escape(said)):
        carry_out(farm, line)


def test_usage__has_a_line_for_each_word() -> None:
    assert [line.split()[0] for line in usage()] == list(FAULTS)


async def test_command__takes_faults_from_its_input_and_cleans_up(tmp_path: Path) -> None:
    own, path = tmp_path / "own.yaml", tmp_path / "drill.yaml"
    hook = "notifications: {channels: {hook: {kind: webhook, url: 'http://127.0.0.1:9/'}}}\n"
    await asyncio.to_thread(own.write_text, f"{hook}workstations: [{{host: 10.0.0.1}}]\n")
    arguments = ("simulate", path, "--with", own, "--workstations", "2", "--listen", "127.0.0.1:9879")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "monitor",
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"2 simulated workstations" in await process.stdout.readline()
        await process.stdout.readline()
        config = await asyncio.to_thread(load, path)
        assert [workstation.id for workstation in config.workstations] == ["ws-01", "ws-02"]
        assert (list(config.notifications.channels), config.listen_port) == (["hook"], 9879)
        process.stdin.write(b"power-off ws-02\nmelt\n")
        assert await process.stdout.readline() == b"ws-02: it falls silent\n"
        assert b"means nothing" in await process.stdout.readline()
        process.stdin.write(b"quit\n")
        assert await process.wait() == 0
    assert not await asyncio.to_thread(path.exists)
