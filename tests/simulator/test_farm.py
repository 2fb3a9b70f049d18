from __future__ import annotations

import asyncio
import stat
import time

import asyncssh
import pytest
import yaml
from pydantic import SecretStr

from monitor.errors import ProbeError
from monitor.simulator.farm import Farm
from monitor.simulator.wire import HOST
from monitor.simulator.workstation import USER
from monitor.transports import Credential
from tests.winrm import eventually, ignore, opened


async def test_farm__eight_by_six__starts_and_closes_quickly_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    began = time.monotonic()
    async with Farm() as farm:
        assert time.monotonic() - began < 10
        directory = farm.directory
        ports = [wire.port for workstation in farm.workstations for wire in workstation.wires]
        farm["ws-03"].power_off()
        ended = time.monotonic()
    assert time.monotonic() - ended < 10
    assert len(ports) == len(set(ports)) == 8 * (5 + 6)
    assert not await asyncio.to_thread(directory.exists)
    assert asyncio.all_tasks() == before
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)


async def test_farm__files__are_private() -> None:
    async with Farm(1, 1) as farm:
        modes = await asyncio.to_thread(
            lambda: [stat.S_IMODE(path.stat().st_mode) for path in (farm.directory, farm.key_file, farm.password_file)]
        )

    assert modes == [0o700, 0o600, 0o600]


async def test_farm__known_hosts_and_key__let_a_client_in_everywhere() -> None:
    async with Farm(3, 1) as farm:
        key = await asyncio.to_thread(asyncssh.read_private_key, farm.key_file)
        known = await asyncio.to_thread(asyncssh.read_known_hosts, str(farm.known_hosts))
        for workstation in farm.workstations:
            async with asyncssh.connect(
                workstation.host,
                workstation.ssh.port,
                username=USER,
                client_keys=[key],
                known_hosts=known,
                config=[],
                agent_path=None,
            ) as ssh:
                assert (await ssh.run("hostname")).stdout == f"{workstation.id}\r\n"


async def test_farm__closed__has_no_directory() -> None:
    farm = Farm(1, 1)

    with pytest.raises(RuntimeError, match="not open"):
        _ = farm.directory


async def test_config_yaml__says_what_config_says() -> None:
    async with Farm(2, 6) as farm:
        document = yaml.safe_load(farm.config_yaml(listen="127.0.0.1:9877"))

        assert document == farm.config(listen="127.0.0.1:9877")
        assert [entry["id"] for entry in document["workstations"]] == ["ws-01", "ws-02"]
        assert {entry["site"] for entry in document["workstations"]} == {"berlin", "hanoi"}
        rest = ["console", "host", "panel", "rdp", "adb-0", "adb-1", "adb-2", "adb-3"]
        names = [[check["name"] for check in entry["checks"]] for entry in document["workstations"]]
        assert names == [["ssh", *rest], ["winrm", *rest]]


async def test_farm__password_and_port__let_a_client_in_over_winrm() -> None:
    async with Farm(2, 1) as farm:
        entry = farm.config()["workstations"]
        assert isinstance(entry, list)
        assert [each["transport"]["kind"] for each in entry] == ["ssh", "winrm"]
        password = await asyncio.to_thread(farm.password_file.read_text)
        credential = Credential(user=USER, password=SecretStr(password))
        async with opened(entry[1]["transport"]["port"], credential, auth="ntlm") as transport:
            assert (await transport.run(["hostname"], mark=ignore)).stdout == b"ws-02\r\n"
        assert not farm["ws-02"].shells.shells


async def test_farm__that_hangs_refuses_and_reboots__does_so_over_winrm_too() -> None:
    async with Farm(1, 1) as farm:
        workstation = farm["ws-01"]
        workstation.hang_console()
        password = SecretStr(await asyncio.to_thread(farm.password_file.read_text))
        async with opened(workstation.winrm.port, Credential(user=USER, password=password)) as transport:
            assert (await transport.run(["hostname"], mark=ignore)).exit_code == 0
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await transport.run(["ldconsole", "list2"], mark=ignore)
            workstation.hang_console(hanging=False)
            assert (await transport.run(["ldconsole", "list2"], mark=ignore)).exit_code == 0
            workstation.power_off()
            workstation.power_on()
            assert not workstation.shells.shells
            await eventually(lambda: not workstation.winrm.connections)
            assert (await transport.run(["ldconsole", "list2"], mark=ignore)).exit_code == 0
            workstation.refuse_logins()
            await eventually(lambda: not workstation.winrm.connections)
            with pytest.raises(ProbeError, match="login refused"):
                await transport.run(["hostname"], mark=ignore)
