"""The adb of a simulated workstation: its server through SSH, its guests' own ports, and what its faults do to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from monitor.adb.server import AdbServer
from monitor.emulators.adb import parse_devices
from monitor.errors import ProbeError
from monitor.model import Category, Reason, TransportSpec, Workstation
from monitor.simulator.guest import Pace
from monitor.simulator.workstation import USER, SimulatedWorkstation
from monitor.transports import Credential
from monitor.transports.ssh import Params, SshTransport
from tests.adbs import SOON, a_client, a_real_server, adb

QUICK = Pace(vm=0.05, android=0.05, adb=0.05, quit=0.05)
KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def ws() -> AsyncIterator[SimulatedWorkstation]:
    async with SimulatedWorkstation("ws-01", key=KEY, pace=QUICK, running=(0, 1)) as ws:
        yield ws


async def listed(ws: SimulatedWorkstation) -> list[str]:
    async with asyncio.timeout(SOON):
        return [device.serial for device in parse_devices(await a_client(ws.adb.port).devices()).devices]


async def test_server__lists_the_guests_that_run(ws: SimulatedWorkstation) -> None:
    assert await listed(ws) == ["emulator-5554", "emulator-5556"]
    ws.quit(1)
    assert await listed(ws) == ["emulator-5554"]


async def test_server__through_ssh__is_reached_and_other_ports_are_refused(
    ws: SimulatedWorkstation, tmp_path: Path
) -> None:
    def write() -> tuple[Path, Path]:
        known, key = tmp_path / "known", tmp_path / "key"
        known.write_text(f"[127.0.0.1]:{ws.ssh.port} {ws.endpoint.host_key.export_public_key().decode()}")
        key.write_bytes(KEY.export_private_key())
        key.chmod(0o600)
        return known, key

    known, key = await asyncio.to_thread(write)
    params = Params(port=ws.ssh.port, known_hosts=known)
    workstation = Workstation(id="ws-01", host="127.0.0.1", transport=TransportSpec("ssh", params))
    transport = SshTransport(workstation, params, Credential(user=USER, key_file=key))
    marks: list[Category] = []

    def server(port: int) -> AdbServer:
        layer = Category.EXTERNAL
        return AdbServer(
            lambda: transport.open_stream("127.0.0.1", port, mark=marks.append, layer=layer),
            where="ws-01",
            layer=layer,
            mark=marks.append,
        )

    try:
        assert (await server(ws.adb.port).shell("emulator-5554", "echo hi")).stdout == b"hi\n"
        assert marks[-1] is Category.EMULATOR
        with pytest.raises(ProbeError) as caught:
            await server(9).version()
        assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.REFUSED)
        assert ws.ssh.connections == 1
    finally:
        await transport.aclose()


async def test_guest__frozen__does_not_answer_its_shell(ws: SimulatedWorkstation) -> None:
    ws.freeze(0)
    assert await listed(ws) == ["emulator-5554", "emulator-5556"]
    asking = asyncio.ensure_future(a_client(ws.adb.port).shell("emulator-5554", "echo hi"))
    assert (await a_client(ws.adb.port).shell("emulator-5556", "echo hi")).stdout == b"hi\n"
    assert not asking.done()
    ws.freeze(0, frozen=False)
    async with asyncio.timeout(SOON):
        assert (await asking).stdout == b"hi\n"


async def test_guest__quit_and_launched__has_booted_anew(ws: SimulatedWorkstation) -> None:
    guest = ws.guests[0]
    before = guest.inside.boot_id
    ws.quit(0)
    async with asyncio.timeout(SOON):
        while guest.vm_pid != -1:  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.005)
        ws.launch(0)
        while not guest.adb:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
    assert guest.inside.boot_id != before


async def test_port_of_a_guest__speaks_to_a_real_adb_server(ws: SimulatedWorkstation, tmp_path: Path) -> None:
    async with a_real_server(tmp_path) as port:
        serial = f"127.0.0.1:{ws.guests[1].wire.port}"
        await adb(tmp_path, port, "connect", serial)
        code, stdout, _ = await adb(tmp_path, port, "-s", serial, "shell", "cat /proc/sys/kernel/random/boot_id")
    assert (code, stdout.decode().strip()) == (0, ws.guests[1].inside.boot_id)


async def test_power_off__takes_the_server_along(ws: SimulatedWorkstation) -> None:
    ws.power_off()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await a_client(ws.adb.port).version()
