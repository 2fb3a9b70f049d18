"""The checks that use a transport, through the production reach, against a real OpenSSH and a scripted console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.checks import AnyCheck, CheckParams, discover, path_of
from monitor.errors import ProbeError
from monitor.model import Category, Key, Observation, Platform, Reason, Target, Verdict, Workstation
from monitor.reach import RunReach, Transports
from monitor.transports import discover as discover_transports
from tests.sshd import Sshd, a_server

SAMPLES = Path(__file__).parent.parent / "data" / "samples"


class Farm:
    """One workstation on a real server, and the checks of it."""

    def __init__(self, sshd: Sshd, transports: Transports) -> None:
        self.sshd = sshd
        self.transports = transports
        self.workstation: Workstation = sshd.workstation

    def reach(self, kind: str, **params: object) -> tuple[AnyCheck, Target, RunReach]:
        check = discover()[kind]
        valid: CheckParams = check.params.model_validate(params)
        path = path_of(check, valid, self.workstation, discover_transports()["ssh"])
        target = Target(
            workstation=self.workstation, name=kind, kind=kind, params=valid, path=path, interval=30, timeout=5
        )
        return check, target, self.transports.reach(target)

    async def ask(self, kind: str, **params: object) -> Observation:
        check, target, reach = await asyncio.to_thread(self.reach, kind, **params)
        return await check.probe(target, target.params, reach)

    async def fail(self, kind: str, **params: object) -> ProbeError:
        with pytest.raises(ProbeError) as caught:
            await self.ask(kind, **params)
        return caught.value

    def program(self, name: str, script: str) -> None:
        """Put a program on the workstation's PATH."""
        path = self.sshd.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with a_server(tmp_path) as sshd:
        kinds = await asyncio.to_thread(discover_transports)
        transports = Transports(kinds=kinds, credentials={"key": sshd.credential})
        yield Farm(sshd, transports)
        await transports.aclose()


async def test_console__over_ssh__lists_what_the_sample_holds(farm: Farm) -> None:
    farm.sshd.prints((SAMPLES / "ld-list2-custom-titles.txt").read_bytes())
    observation = await farm.ask("ldplayer", expect_running=["Leidian-*"])
    assert observation.verdict is Verdict.UP
    assert [(e.index, e.title, e.run.value) for e in observation.entities or ()] == [
        (0, "Leidian", "stopped"),
        (1, "Leidian-Arknights", "running"),
    ]


async def test_code_page__of_a_windows_host__is_asked_once_and_decodes_the_titles(farm: Farm) -> None:
    farm.workstation = replace(farm.workstation, platform=Platform.WINDOWS)
    farm.sshd.prints((SAMPLES / "ld-list2-alas-gbk.txt").read_bytes())
    farm.program("reg", f"echo x >> {farm.sshd.folder}/asked\nprintf '\\r\\nKEY\\r\\n    ACP    REG_SZ    936\\r\\n'")
    for _ in range(2):
        observation = await farm.ask("ldplayer", expect_running=["雷电模拟器"])
        assert observation.verdict is Verdict.UP
    assert (farm.sshd.folder / "asked").read_text() == "x\n"
    assert farm.sshd.connections == 1


async def test_code_page__that_is_not_understood__is_never_guessed_and_asked_again(farm: Farm) -> None:
    farm.workstation = replace(farm.workstation, platform=Platform.WINDOWS)
    farm.sshd.prints((SAMPLES / "ld-list2-alas-gbk.txt").read_bytes())
    farm.program("reg", f"echo x >> {farm.sshd.folder}/asked\necho ERROR >&2\nexit 1")
    for _ in range(2):
        observation = await farm.ask("ldplayer")
        assert next(e.title for e in observation.entities or ()).startswith(r"\xc0\xd7")
    assert (farm.sshd.folder / "asked").read_text() == "x\nx\n"


async def test_code_page__of_the_config__is_not_asked(farm: Farm) -> None:
    farm.workstation = replace(farm.workstation, code_page="gbk")
    farm.sshd.prints((SAMPLES / "ld-list2-alas-gbk.txt").read_bytes())
    assert next(e.title for e in (await farm.ask("ldplayer")).entities or ()) == "雷电模拟器"


async def test_code_page__of_a_linux_host__is_its_charmap(farm: Farm) -> None:
    farm.program("locale", "echo UTF-8")
    farm.sshd.prints("0,фарм,0,0,0,-1,-1\r\n".encode())
    assert [e.title for e in (await farm.ask("ldplayer")).entities or ()] == ["фарм"]


async def test_console__that_prints_its_usage__is_an_error_of_the_console(farm: Farm) -> None:
    farm.sshd.prints((farm.sshd.folder / "usage").read_bytes())
    error = await farm.fail("ldplayer")
    assert (error.category, error.reason) == (Category.EXTERNAL, Reason.PROTOCOL)


async def test_console__that_is_not_there__is_an_error_of_the_console(farm: Farm) -> None:
    error = await farm.fail("ldplayer", console="/opt/ld player/ldconsole")
    assert (error.category, error.reason) == (Category.EXTERNAL, Reason.NOT_INSTALLED)


async def test_console__that_hangs__is_blamed_itself_and_silences_nobody(farm: Farm) -> None:
    farm.sshd.hangs()
    check, target, reach = await asyncio.to_thread(farm.reach, "ldplayer")
    assert reach.layer is Category.NETWORK
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await check.probe(target, target.params, reach)
    assert target.layer(reach.layer) == Key(Category.EXTERNAL, "ws-01", "ldplayer")
    assert (await farm.ask("ssh")).verdict is Verdict.UP
    farm.sshd.hangs(hang=False)
    farm.sshd.prints((SAMPLES / "ld-list2-ld9-two-stopped.txt").read_bytes())
    assert (await farm.ask("ldplayer")).verdict is Verdict.UP


async def test_login__over_ssh__is_up(farm: Farm) -> None:
    observation = await farm.ask("ssh")
    assert (observation.verdict, observation.facts) == (Verdict.UP, {"exit_code": 0})


@pytest.mark.parametrize(
    ("params", "verdict", "reason"),
    [
        ({"command": ["echo", "WS-01"], "expect": "^WS-[0-9]+$"}, Verdict.UP, None),
        ({"command": ["echo", "WS-01"], "expect": "^XS"}, Verdict.DOWN, Reason.UNEXPECTED),
        ({"command": ["false"]}, Verdict.DOWN, Reason.COMMAND_FAILED),
        ({"command": ["false"], "exit_code": 1}, Verdict.UP, None),
        ({"command": ["no-such-program"]}, Verdict.DOWN, Reason.COMMAND_FAILED),
    ],
)
async def test_command__over_ssh__is_judged_by_exit_code_and_text(
    farm: Farm, params: dict[str, object], verdict: Verdict, reason: Reason | None
) -> None:
    observation = await farm.ask("ssh", **params)
    assert (observation.verdict, observation.reason) == (verdict, reason)


async def test_path__of_the_checks__goes_from_endpoint_to_transport_to_console(farm: Farm) -> None:
    _, ssh, _ = await asyncio.to_thread(farm.reach, "ssh")
    _, console, _ = await asyncio.to_thread(farm.reach, "ldplayer")
    assert [str(key) for key in ssh.path] == [f"network/ws-01/ssh:{farm.sshd.port}", "workstation/ws-01/ssh"]
    assert console.path == (*ssh.path, Key(Category.EXTERNAL, "ws-01", "ldplayer"))


async def test_server__stopped__is_refused(farm: Farm) -> None:
    await farm.sshd.stop()
    error = await farm.fail("ldplayer")
    assert (error.category, error.reason) == (Category.NETWORK, Reason.REFUSED)
