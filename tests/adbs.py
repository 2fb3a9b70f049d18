"""A real Debian adb server for one test, simulated guests behind their ports, and the adb program as a client."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from monitor.adb.server import AdbServer
from monitor.model import Category
from monitor.simulator import adbd
from monitor.simulator.adb import AdbHost
from monitor.simulator.android import Android
from monitor.simulator.wire import Wire
from monitor.stream import open_tcp
from tests.servers import free_port, require_program

SOON = 10.0


def a_client(port: int, marks: list[Category] | None = None, layer: Category = Category.EXTERNAL) -> AdbServer:
    """Our client of the server at a port of loopback."""
    mark = (lambda _: None) if marks is None else marks.append
    return AdbServer(lambda: open_tcp("127.0.0.1", port), where="ws-01 adb", layer=layer, mark=mark)


@contextlib.asynccontextmanager
async def a_guest(android: Android) -> AsyncIterator[Wire]:
    """A guest whose daemon listens on a port of loopback."""
    wire = Wire(functools.partial(adbd.serve, android))
    wire.start()
    try:
        yield wire
    finally:
        await wire.aclose()


@contextlib.asynccontextmanager
async def a_host(guests: dict[int, Android]) -> AsyncIterator[tuple[AdbHost, Wire]]:
    """A simulated adb server on a port of loopback."""
    host = AdbHost(lambda: guests)
    wire = Wire(host.serve)
    wire.start()
    try:
        yield host, wire
    finally:
        await wire.aclose()


@contextlib.asynccontextmanager
async def a_real_server(folder: Path) -> AsyncIterator[int]:
    """Debian's adb server, in the foreground, ended by its pid; yields its port."""
    program = await asyncio.to_thread(require_program, "adb", "adb")
    port = free_port()
    log = await asyncio.to_thread((folder / "adb.log").open, "wb")
    with log:
        process = await asyncio.create_subprocess_exec(
            program,
            "-P",
            str(port),
            "nodaemon",
            "server",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(folder),
        )
    try:
        async with asyncio.timeout(SOON):
            while not await _accepts(port):
                assert process.returncode is None, await asyncio.to_thread((folder / "adb.log").read_text)
                await asyncio.sleep(0.02)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def adb(folder: Path, port: int, *arguments: str) -> tuple[int | None, bytes, bytes]:
    """Run Debian's adb as a client of the server at a port."""
    program = await asyncio.to_thread(require_program, "adb", "adb")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program,
        "-P",
        str(port),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env=environment(folder),
    )
    try:
        async with asyncio.timeout(SOON):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, stdout, stderr


def environment(folder: Path) -> dict[str, str]:
    """Keys and settings of adb in a folder of the test's own; no scan for emulators that run beside it."""
    return {**os.environ, "HOME": str(folder), "ADB_MDNS": "0", "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553", "LC_ALL": "C"}


async def _accepts(port: int) -> bool:
    try:
        stream = await open_tcp("127.0.0.1", port)
    except OSError:
        return False
    stream.close()
    return True
