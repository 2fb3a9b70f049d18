from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import asyncssh
import pytest

from monitor.emulators.ldplayer import parse_list2
from monitor.model import EmulatorRun
from monitor.simulator.guest import Pace
from monitor.simulator.wire import HOST, Wire
from monitor.simulator.workstation import USER, SimulatedWorkstation
from tests.servers import require_program

SOON = 5.0
HANGS = 0.3
QUICK = Pace(vm=0.05, android=0.05, adb=0.05, quit=0.05)
KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def ws() -> AsyncIterator[SimulatedWorkstation]:
    async with SimulatedWorkstation("ws-01", key=KEY, pace=QUICK, running=(0, 1)) as ws:
        yield ws


Login = contextlib.AbstractAsyncContextManager[asyncssh.SSHClientConnection]


def login(ws: SimulatedWorkstation, *, user: str = USER, key: asyncssh.SSHKey = KEY) -> Login:
    trusted = asyncssh.import_known_hosts(f"[{HOST}]:{ws.ssh.port} {ws.endpoint.host_key.export_public_key().decode()}")
    return asyncssh.connect(
        HOST, ws.ssh.port, username=user, client_keys=[key], known_hosts=trusted, config=[], agent_path=None
    )


async def listing(ssh: asyncssh.SSHClientConnection) -> list[EmulatorRun]:
    async with asyncio.timeout(SOON):
        done = await ssh.run("ldconsole list2", encoding=None)
    assert isinstance(done.stdout, bytes)
    return [row.run for row in parse_list2(done.stdout, "cp936").instances]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - the simulator tells nobody what it does
            await asyncio.sleep(0.005)


async def reaches(wire: Wire) -> str:
    try:
        async with asyncio.timeout(HANGS):
            _, writer = await asyncio.open_connection(HOST, wire.port)
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return "open"


async def get(ws: SimulatedWorkstation) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HANGS)) as session,
        session.get(f"http://{HOST}:{ws.http.port}/health") as answer,
    ):
        return answer.status, await answer.json()


async def test_ssh__list2__lists_every_emulator(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        assert await listing(ssh) == [EmulatorRun.RUNNING] * 2 + [EmulatorRun.STOPPED] * 4


async def test_ssh__misspelt_command__asyncssh_keeps_the_last_eight_bits(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        done = await ssh.run("ldconsole lits2")

    assert done.exit_status == -1000 & 0xFF


async def test_ssh__another_user_or_key__is_denied(ws: SimulatedWorkstation) -> None:
    for user, key in (("stranger", KEY), (USER, asyncssh.generate_private_key("ssh-ed25519"))):
        with pytest.raises(asyncssh.PermissionDenied):
            async with login(ws, user=user, key=key):
                pass
    assert ws.endpoint.logins == 0


async def test_ssh__several_commands_at_once__share_a_connection(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        await asyncio.gather(*(listing(ssh) for _ in range(5)))

    assert (ws.endpoint.logins > 0, ws.endpoint.commands) == (True, 5)


async def openssh(ws: SimulatedWorkstation, folder: Path, command: str) -> tuple[int | None, bytes, str]:
    program = require_program("ssh", "openssh-client")
    key, known = folder / "key", folder / "known_hosts"
    host_key = ws.endpoint.host_key.export_public_key().decode()
    await asyncio.to_thread(known.write_text, f"[{HOST}]:{ws.ssh.port} {host_key}")
    await asyncio.to_thread(key.write_bytes, KEY.export_private_key())
    await asyncio.to_thread(key.chmod, 0o600)
    options = ("BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes")
    argv = ["-v", "-F", "none", "-i", str(key), "-p", str(ws.ssh.port)]
    argv += [word for option in options for word in ("-o", option)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, *argv, f"{USER}@{HOST}", command, stdout=pipe, stderr=pipe, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, stdout, stderr.decode()


async def test_openssh__list2__logs_in_with_known_hosts_and_key(ws: SimulatedWorkstation, tmp_path: Path) -> None:
    code, stdout, _ = await openssh(ws, tmp_path, "ldconsole list2")

    assert code == 0
    assert len(parse_list2(stdout, "cp936").instances) == 6


async def test_openssh__misspelt_command__is_told_all_32_bits(ws: SimulatedWorkstation, tmp_path: Path) -> None:
    code, _, debug = await openssh(ws, tmp_path, "ldconsole lits2")

    assert "Exit status -1000" in debug
    assert code == -1000 & 0xFF


async def test_power_off__every_endpoint__is_silent(ws: SimulatedWorkstation) -> None:
    ws.power_off()

    assert {await reaches(wire) for wire in (*ws.doors, ws.guests[0].wire, ws.guests[5].wire)} == {"silent"}


async def test_power_off__command_under_way__stalls(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        ws.power_off()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HANGS):
                await ssh.run("echo there?")
        ssh.abort()


async def test_power_on__old_connections_are_reset_and_emulators_boot(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        ws.power_off()
        ws.power_on()
        async with asyncio.timeout(SOON):
            await ssh.wait_closed()
    async with login(ws) as ssh:
        runs = await listing(ssh)
        assert runs[2:] == [EmulatorRun.STOPPED] * 4
        await until(lambda: ws.guests[0].adb and ws.guests[1].adb)
        assert (await listing(ssh))[:2] == [EmulatorRun.RUNNING] * 2
    assert await reaches(ws.guests[0].wire) == "open"
    assert await reaches(ws.guests[2].wire) == "refused"


async def test_hang_console__console_hangs__other_commands_answer(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        ws.hang_console()
        hanging = asyncio.ensure_future(ssh.run("ldconsole list2"))
        assert (await ssh.run("echo fine")).stdout == "fine\r\n"
        assert not hanging.done()
        ws.hang_console(hanging=False)
        async with asyncio.timeout(SOON):
            assert (await hanging).exit_status == 0


async def test_hang_console__client_gives_up__nothing_is_left_waiting(ws: SimulatedWorkstation) -> None:
    before = len(asyncio.all_tasks())
    ws.hang_console()
    async with login(ws) as ssh:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HANGS):
                await ssh.run("ldconsole list2")
    await until(lambda: len(asyncio.all_tasks()) == before)


async def test_refuse_logins__throws_out_and_turns_down__until_mended(ws: SimulatedWorkstation) -> None:
    async with login(ws) as ssh:
        ws.refuse_logins()
        async with asyncio.timeout(SOON):
            await ssh.wait_closed()
    with pytest.raises(asyncssh.PermissionDenied):
        async with login(ws):
            pass
    ws.refuse_logins(refused=False)
    async with login(ws) as ssh:
        assert len(await listing(ssh)) == 6


async def test_garbage__on_ssh__breaks_the_protocol(ws: SimulatedWorkstation) -> None:
    ws.ssh.garbage()
    with pytest.raises((asyncssh.Error, ConnectionError)):
        async with asyncio.timeout(SOON), login(ws):
            pass


async def test_panel__health__tells_the_emulators_and_the_chosen_status(ws: SimulatedWorkstation) -> None:
    assert await get(ws) == (200, {"status": "ok", "workstation": "ws-01", "emulators": 6, "running": 2})
    ws.http_status(500)
    assert (await get(ws))[0] == 500
    ws.http_status()
    assert (await get(ws))[0] == 200


async def test_slow__panel__answers_late(ws: SimulatedWorkstation) -> None:
    ws.slow(HANGS * 3)
    with pytest.raises(TimeoutError):
        await get(ws)
    ws.slow(0)
    assert (await get(ws))[0] == 200


async def test_stick_boot__stays_at_two_without_a_vm__until_mended(ws: SimulatedWorkstation) -> None:
    ws.stick_boot(0)
    await until(lambda: ws.guests[0].android == 2)
    await asyncio.sleep(QUICK.vm * 3)
    assert ws.guests[0].row().split(",")[4:7] == ["2", str(ws.guests[0].pid), "-1"]
    assert await reaches(ws.guests[0].wire) == "refused"

    ws.stick_boot(0, stuck=False)
    await until(lambda: ws.guests[0].adb)
    assert await reaches(ws.guests[0].wire) == "open"


async def test_lie__console_says_stopped__port_answers(ws: SimulatedWorkstation) -> None:
    ws.lie(1)
    async with login(ws) as ssh:
        assert (await listing(ssh))[1] is EmulatorRun.STOPPED
        assert (await ssh.run("ldconsole isrunning --index 1")).stdout == "stop"
    assert await reaches(ws.guests[1].wire) == "open"
    ws.lie(1, lying=False)
    assert ws.guests[1].claims()


async def test_freeze__port_silent__console_sees_nothing(ws: SimulatedWorkstation) -> None:
    ws.freeze(0)
    assert await reaches(ws.guests[0].wire) == "silent"
    assert ws.guests[0].running
    ws.freeze(0, frozen=False)
    assert await reaches(ws.guests[0].wire) == "open"


async def test_launch__boots_step_by_step(ws: SimulatedWorkstation) -> None:
    guest = ws.guests[4]
    seen: list[tuple[int, bool, bool]] = []

    def look() -> bool:
        now = (guest.android, guest.vm_pid > 0, guest.adb)
        if now not in seen:
            seen.append(now)
        return guest.adb

    async with login(ws) as ssh:
        await ssh.run("ldconsole launch --index 4")
        await until(look)

    steps = [(2, False, False), (2, True, False), (1, True, False), (1, True, True)]
    assert [step for step in seen if step in steps] == steps
    assert await reaches(guest.wire) == "open"


async def test_quit__vm_outlives_the_window__launch_meanwhile_comes_up_without_one(ws: SimulatedWorkstation) -> None:
    guest = ws.guests[0]
    ws.quit(0)
    assert (guest.pid, guest.vm_pid > 0, guest.android) == (-1, True, 0)
    assert await reaches(guest.wire) == "refused"
    ws.launch(0)
    await until(lambda: guest.running)
    assert guest.vm_pid == -1
    assert await reaches(guest.wire) == "refused"

    ws.quit(0)
    ws.launch(0)
    await until(lambda: guest.adb)
    assert guest.vm_pid > 0


async def test_aclose__with_hanging_commands_and_silence__is_quick_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    ws = SimulatedWorkstation("ws-01", key=KEY, pace=QUICK)
    await ws.start()
    ports = [wire.port for wire in ws.wires]
    async with login(ws) as ssh:
        ws.hang_console()
        hanging = asyncio.ensure_future(ssh.run("ldconsole list2"))
        await ssh.run("echo")
        ws.power_off()
        async with asyncio.timeout(10):
            await ws.aclose()
        with contextlib.suppress(asyncssh.Error):
            await hanging
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)
    assert asyncio.all_tasks() == before
