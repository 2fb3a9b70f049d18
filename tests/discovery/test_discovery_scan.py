"""Ports: how fast and how many at once, by a clock of ours; who speaks there, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.discovery import Door, Open, Protocol
from monitor.discovery.pace import Pace
from monitor.discovery.scan import Scanner, Survey
from monitor.simulator.farm import Farm
from monitor.stream import Stream
from tests.fakes import FakeClock
from tests.winrm import a_certificate, a_service

HERE = "127.0.0.1"
SSH = Door(Protocol.SSH, 22)


class Says:
    """A stream on which something was said, and then no more."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    async def read(self, limit: int) -> bytes:
        said, self._text = self._text[:limit], self._text[limit:]
        return said

    async def exactly(self, count: int) -> bytes:
        return await self.read(count)

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


class Sleeper:
    """A clock that passes when somebody sleeps, in the order in which they wake."""

    def __init__(self) -> None:
        self.clock = FakeClock(0.0)

    async def sleep(self, seconds: float) -> None:
        until = self.clock.now + seconds
        await asyncio.sleep(0)
        self.clock.now = max(self.clock.now, until)


async def scanned(*doors: Door, patience: float = 0.5) -> Survey:
    survey = Survey()
    await Scanner(pace=Pace(1000), timeout=patience).scan([HERE], doors, survey)
    return survey


async def only(door: Door, *, patience: float = 0.5) -> Open:
    survey = await scanned(door, patience=patience)
    assert len(survey.open) == 1, survey
    return survey.open[0]


async def test_scan__many_hosts__begins_no_more_than_the_rate_in_any_second() -> None:
    sleeper, begun = Sleeper(), list[float]()

    async def connect(address: str, port: int) -> Stream:
        begun.append(sleeper.clock.now)
        raise ConnectionRefusedError

    pace = Pace(20, clock=sleeper.clock, sleep=sleeper.sleep)
    survey = Survey()
    names = [f"10.0.0.{number}" for number in range(1, 101)]
    await Scanner(pace=pace, at_once=50, connect=connect).scan(names, [SSH], survey)
    assert len(begun) == 100
    assert survey.closed == {"refused": 100}
    for start in begun:
        assert sum(start <= other < start + 0.999 for other in begun) <= 20
    assert begun[-1] == pytest.approx(99 / 20)


async def test_scan__hosts_that_hang__has_no_more_than_so_many_at_once() -> None:
    gate, under_way, most = asyncio.Event(), 0, 0
    full = asyncio.Event()

    async def connect(address: str, port: int) -> Stream:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 7:
            full.set()
        try:
            await gate.wait()
        finally:
            under_way -= 1
        raise ConnectionRefusedError

    survey = Survey()
    scanner = Scanner(pace=Pace(100_000), at_once=7, timeout=30, connect=connect)
    work = asyncio.create_task(scanner.scan([f"10.0.1.{n}" for n in range(1, 60)], [SSH], survey))
    async with asyncio.timeout(5):
        await full.wait()
        for _ in range(200):
            await asyncio.sleep(0)
        assert (under_way, most) == (7, 7)
        gate.set()
        await work
    assert (most, survey.tried) == (7, 59)


async def test_scan__cancelled__keeps_what_was_found_and_ends_every_connection() -> None:
    hanging, ended = asyncio.Event(), asyncio.Event()

    async def connect(address: str, port: int) -> Stream:
        if port == 22:
            return Says(b"SSH-2.0-OpenSSH_9.6\r\n")
        hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    survey = Survey()
    scanner = Scanner(pace=Pace(100_000), at_once=1, timeout=30, connect=connect)
    work = asyncio.create_task(scanner.scan(["10.0.0.1"], [SSH, Door(Protocol.SSH, 23)], survey))
    await hanging.wait()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert ended.is_set()
    assert [str(found) for found in survey.open] == ["ssh:22 (OpenSSH_9.6)"]
    assert (survey.tried, survey.total) == (1, 2)


async def test_scan__name_of_two_addresses__is_resolved_once_and_each_address_waits_its_turn() -> None:
    sleeper, begun, asked = Sleeper(), list[tuple[str, float]](), list[str]()

    async def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["10.0.0.1", "10.0.0.2"]

    async def connect(address: str, port: int) -> Stream:
        begun.append((address, sleeper.clock.now))
        if address == "10.0.0.1":
            raise ConnectionRefusedError
        return Says(b"SSH-2.0-x\r\n")

    survey = Survey()
    pace = Pace(1, clock=sleeper.clock, sleep=sleeper.sleep)
    scanner = Scanner(pace=pace, at_once=1, connect=connect, resolve=resolve)
    await scanner.scan(["pc-01"], [SSH, Door(Protocol.SSH, 2222)], survey)
    assert asked == ["pc-01"]
    assert begun == [("10.0.0.1", 0), ("10.0.0.2", 1), ("10.0.0.1", 2), ("10.0.0.2", 3)]
    assert [found.host for found in survey.open] == ["pc-01", "pc-01"]


async def test_scan__name_nobody_knows__is_counted_and_stops_nothing() -> None:
    async def resolve(host: str) -> list[str]:
        raise socket.gaierror

    survey = Survey()
    await Scanner(pace=Pace(1000), resolve=resolve).scan(["nobody"], [SSH, Door(Protocol.ADB, 5037)], survey)
    assert survey.closed == {"dns": 2}


async def test_scan__we_have_no_descriptors__is_no_fault_of_the_host() -> None:
    async def connect(address: str, port: int) -> Stream:
        raise OSError(24, "Too many open files")

    survey = Survey()
    await Scanner(pace=Pace(1000), connect=connect).scan(["10.0.0.1"], [SSH], survey)
    assert (survey.closed, sum(survey.untried.values())) == ({}, 1)


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(1, 2) as farm:
        yield farm


async def test_scan__simulated_workstation__knows_each_protocol(farm: Farm) -> None:
    ws = farm["ws-01"]
    doors = [
        Door(Protocol.SSH, ws.ssh.port),
        Door(Protocol.WINRM, ws.winrm.port),
        Door(Protocol.ADB, ws.adb.port),
        Door(Protocol.GUEST, ws.guests[0].wire.port),
    ]
    survey = await scanned(*doors, patience=2)
    assert all(found.confirmed for found in survey.open)
    said = {found.door.protocol: found.words for found in survey.open}
    assert said[Protocol.SSH].startswith("AsyncSSH")
    assert said[Protocol.WINRM] == "Negotiate, Basic"
    assert said[Protocol.ADB] == "protocol 41"
    assert set(said) == {Protocol.SSH, Protocol.WINRM, Protocol.ADB, Protocol.GUEST}
    assert ws.endpoint.logins == ws.shells.refused == 0


async def test_scan__every_door_mistaken_for_another__is_open_and_not_confirmed(farm: Farm) -> None:
    ws = farm["ws-01"]
    mistaken = {
        Protocol.SSH: (ws.winrm, ws.adb, ws.rdp, ws.http),
        Protocol.WINRM: (ws.ssh, ws.adb, ws.rdp, ws.http),
        Protocol.WINRM_HTTPS: (ws.ssh, ws.winrm, ws.rdp),
        Protocol.ADB: (ws.ssh, ws.winrm, ws.rdp),
        Protocol.GUEST: (ws.ssh, ws.winrm, ws.rdp),
    }
    doors = [Door(protocol, wire.port) for protocol, wires in mistaken.items() for wire in wires]
    survey = await scanned(*doors)
    assert len(survey.open) == len(doors)
    assert [str(found) for found in survey.open if found.confirmed] == []
    assert all(found.words and found.words.isprintable() for found in survey.open)


async def test_scan__refused_silent_and_garbage__are_told_apart_in_time(farm: Farm) -> None:
    ws = farm["ws-01"]
    ws.ssh.refuse()
    ws.http.silent()
    ws.winrm.garbage()
    begun = time.monotonic()
    survey = await scanned(
        Door(Protocol.SSH, ws.ssh.port), Door(Protocol.SSH, ws.http.port), Door(Protocol.WINRM, ws.winrm.port)
    )
    assert time.monotonic() - begun < 10
    assert survey.closed == {"refused": 1, "timeout": 1}
    assert [(found.door.protocol, found.confirmed) for found in survey.open] == [(Protocol.WINRM, False)]


async def test_scan__winrm_with_tls__is_known_without_trusting_it(tmp_path: Path) -> None:
    pem = tmp_path / "ws.pem"
    await asyncio.to_thread(a_certificate, pem)
    async with a_service(tls=pem) as service:
        found = await only(Door(Protocol.WINRM_HTTPS, service.port), patience=5)
        assert (found.confirmed, found.words) == (True, "Negotiate, Basic")
        plain = await only(Door(Protocol.WINRM, service.port))
        assert not plain.confirmed


@pytest.mark.parametrize(
    ("answer", "confirmed", "words"),
    [
        (b"HTTP/1.1 405 Method Not Allowed\r\n\r\n", True, ""),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n\r\n",
            True,
            "Negotiate, NTLM",
        ),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", False, "HTTP 401"),
        (b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n", False, "HTTP 404"),
        (b"", False, "closed without a word"),
        (b"\x15\x03\x01\x00\x02\x02", False, "said"),
    ],
)
async def test_winrm__its_answers__are_judged_by_status_and_methods(answer: bytes, confirmed: bool, words: str) -> None:  # noqa: FBT001 - an example
    async def connect(address: str, port: int) -> Stream:
        return Says(answer)

    survey = Survey()
    await Scanner(pace=Pace(1000), connect=connect).scan([HERE], [Door(Protocol.WINRM, 5985)], survey)
    (found,) = survey.open
    assert found.confirmed is confirmed
    assert words in found.words


async def test_ssh__banner_that_would_steer_the_terminal__is_made_harmless() -> None:
    async def connect(address: str, port: int) -> Stream:
        return Says(b"notice\r\nSSH-2.0-\x1b[2J\xff" + b"x" * 500 + b"\r\n")

    survey = Survey()
    await Scanner(pace=Pace(1000), connect=connect).scan([HERE], [SSH], survey)
    (found,) = survey.open
    assert found.confirmed
    assert found.words.isprintable()
    assert len(found.words) <= 100


async def test_ssh__endless_talk__is_given_up() -> None:
    class Endless(Says):
        async def read(self, limit: int) -> bytes:
            return b"x" * limit

    async def connect(address: str, port: int) -> Stream:
        return Endless(b"")

    survey = Survey()
    await Scanner(pace=Pace(1000), connect=connect).scan([HERE], [SSH], survey)
    assert not survey.open[0].confirmed
