"""Simulated guests and adb servers against Debian's adb program, Debian's adb server and adbutils."""

from __future__ import annotations

import asyncio
from pathlib import Path

import adbutils
import pytest

from monitor.simulator.android import Android
from tests.adbs import SOON, a_guest, a_host, a_real_server, adb


async def test_adb_program__lists_the_devices_of_a_simulated_server(tmp_path: Path) -> None:
    async with a_host({5555: Android(), 5557: Android(model="A B-1")}) as (host, wire):
        code, stdout, _ = await adb(tmp_path, wire.port, "connect", "127.0.0.1:5557")
        assert (code, stdout) == (0, b"connected to 127.0.0.1:5557\n")
        code, stdout, _ = await adb(tmp_path, wire.port, "devices", "-l")
        assert [line.split()[:2] for line in stdout.splitlines()[1:-1]] == [
            [b"127.0.0.1:5557", b"device"],
            [b"emulator-5554", b"device"],
            [b"emulator-5556", b"device"],
        ]
        assert host.requests[0] == "host:version"


@pytest.mark.parametrize("old", [False, True])
async def test_adb_program__runs_a_command_in_a_simulated_guest(tmp_path: Path, *, old: bool) -> None:
    guest = Android()
    guest.old = old
    async with a_host({5555: guest}) as (_, wire):
        code, stdout, stderr = await adb(tmp_path, wire.port, "-s", "emulator-5554", "shell", "echo ok; nosuch; exit 3")
    missing = b"/system/bin/sh: nosuch: not found"
    if old:
        assert (code, stdout, stderr) == (0, b"ok\r\n" + missing + b"\r\n", b"")
    else:
        assert (code, stdout, stderr) == (3, b"ok\n", missing + b"\n")


async def test_adb_program__takes_a_picture_byte_by_byte(tmp_path: Path) -> None:
    guest = Android()
    guest.still = True
    async with a_host({5555: guest}) as (_, wire):
        _, stdout, _ = await adb(tmp_path, wire.port, "exec-out", "screencap")
    assert stdout == guest.run("screencap").stdout


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("offline", b"device offline"),
        ("unauthorized", b"device unauthorized."),
        ("authorizing", b"device still authorizing"),
        ("no permissions", b"insufficient permissions for device"),
    ],
)
async def test_adb_program__is_refused_by_a_guest_it_may_not_ask(tmp_path: Path, state: str, words: bytes) -> None:
    guest = Android()
    guest.state = state
    async with a_host({5555: guest}) as (_, wire):
        code, _, stderr = await adb(tmp_path, wire.port, "-s", "emulator-5554", "shell", "echo", "ok")
    assert code == 1
    assert words in stderr


async def test_adb_program__of_an_unknown_device__is_told_so(tmp_path: Path) -> None:
    async with a_host({}) as (_, wire):
        code, _, stderr = await adb(tmp_path, wire.port, "-s", "emulator-5554", "shell", "echo", "ok")
    assert (code, stderr.splitlines()[-1]) == (1, b"error: device 'emulator-5554' not found")


@pytest.mark.parametrize("old", [False, True])
async def test_adb_server_of_debian__connects_to_the_daemon_of_a_guest(tmp_path: Path, *, old: bool) -> None:
    guest = Android(model="SM-G9910")
    guest.old = old
    async with a_guest(guest) as daemon, a_real_server(tmp_path) as port:
        serial = f"127.0.0.1:{daemon.port}"
        code, stdout, _ = await adb(tmp_path, port, "connect", serial)
        assert (code, stdout) == (0, f"connected to {serial}\n".encode())
        code, stdout, _ = await adb(tmp_path, port, "devices", "-l")
        assert b"device product:SM-G9910 model:SM_G9910" in stdout
        code, stdout, _ = await adb(tmp_path, port, "-s", serial, "shell", "getprop ro.product.model; exit 4")
        assert (code, stdout.strip()) == (0 if old else 4, b"SM-G9910")
        _, picture, _ = await adb(tmp_path, port, "-s", serial, "exec-out", "screencap")
        assert len(picture) == 12 + 4 * 64


async def test_adb_server_of_debian__makes_a_guest_that_wants_a_key_unauthorized(tmp_path: Path) -> None:
    guest = Android()
    guest.state = "unauthorized"
    async with a_guest(guest) as daemon, a_real_server(tmp_path) as port:
        _, stdout, _ = await adb(tmp_path, port, "connect", f"127.0.0.1:{daemon.port}")
        assert b"failed to authenticate" in stdout
        _, stdout, _ = await adb(tmp_path, port, "devices")
        assert f"127.0.0.1:{daemon.port}\tunauthorized".encode() in stdout


async def test_adb_server_of_debian__outlives_a_guest_that_goes_away(tmp_path: Path) -> None:
    guest = Android()
    async with a_guest(guest) as daemon, a_real_server(tmp_path) as port:
        serial = f"127.0.0.1:{daemon.port}"
        await adb(tmp_path, port, "connect", serial)
        daemon.refuse()
        code, _, stderr = await adb(tmp_path, port, "-s", serial, "shell", "echo ok")
        assert code != 0
        assert stderr


async def test_adbutils__of_a_simulated_server__lists_and_runs() -> None:
    async with a_host({5555: Android()}) as (host, wire):
        host.connected.add(5555)

        def ask() -> tuple[int, list[tuple[str, str]], str, int, str]:
            client = adbutils.AdbClient(host="127.0.0.1", port=wire.port, socket_timeout=SOON)
            listed = [(info.serial, info.state) for info in client.list(extended=True)]
            device = client.device(serial="emulator-5554")
            ran = device.shell2("echo out; nosuch", v2=True)
            return client.server_version(), listed, device.shell("echo hi"), ran.returncode, device.get_state()

        answers = await asyncio.to_thread(ask)
    assert answers == (41, [("127.0.0.1:5555", "device"), ("emulator-5554", "device")], "hi", 127, "device")


async def test_adbutils__tracks_devices_as_they_come_and_go() -> None:
    guests = {5555: Android()}
    async with a_host(guests) as (host, wire):
        client = adbutils.AdbClient(host="127.0.0.1", port=wire.port, socket_timeout=SOON)
        events = client.track_devices()
        first = await asyncio.to_thread(next, events)
        guests.clear()
        host.changed()
        second = await asyncio.to_thread(next, events)
        await asyncio.to_thread(events.close)
    assert [(event.serial, event.present) for event in (first, second)] == [
        ("emulator-5554", True),
        ("emulator-5554", False),
    ]
