"""A simulated adb server: what port 5037 of a workstation answers, over the guests it is told of.

It speaks the server's own protocol (four hex digits, a text; OKAY or FAIL) to clients such as the adb program, and asks
the guests directly. It finds running guests up to port 5585 by itself, as ``emulator-5554``, and others when told to
connect, as ``127.0.0.1:5587``; a guest may be listed under both names.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import zlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from monitor.simulator.android import Android

VERSION: Final = 41
SCANNED: Final = 5585
"""The highest port a server looks at by itself."""
_HOST_FEATURES: Final = b"shell_v2,cmd,stat_v2,ls_v2"
_ANY: Final = ("transport-any", "tport:any")
_FAILS: Final = {
    "offline": b"device offline",
    "unauthorized": b"device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n"
    b"Try 'adb kill-server' if that seems wrong.\nOtherwise check for a confirmation dialog on your device.",
    "authorizing": b"device still authorizing",
    "connecting": b"device still connecting",
    "no permissions": b"insufficient permissions for device: user in plugdev group; are your udev rules wrong?",
}


class AdbHost:
    """One adb server.

    Args:
        guests: The guests that run, by the port of their daemon.

    """

    def __init__(self, guests: Callable[[], Mapping[int, Android]]) -> None:
        self.version = VERSION
        self.scans = True
        """Whether it finds guests by itself."""
        self.connected: set[int] = set()
        """Ports it was told to connect to."""
        self.requests: list[str] = []
        self._guests = guests
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Tell those who track the devices that something may have changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def devices(self) -> dict[str, Android]:
        """The devices as listed, by serial."""
        guests = sorted(self._guests().items())
        plain = {f"127.0.0.1:{port}": guest for port, guest in guests if port in self.connected}
        scanned = {f"emulator-{port - 1}": guest for port, guest in guests if self.scans and port <= SCANNED}
        return {**plain, **scanned}

    async def serve(self, sock: socket.socket) -> None:
        """Hold one conversation on a connected socket (see `wire.Service`)."""
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            with contextlib.suppress(OSError, EOFError, ValueError):
                device: Android | None = None
                while True:
                    service = await _request(reader)
                    self.requests.append(service)
                    if device is not None:
                        await _while_heard(reader, _through(device, service, writer))
                        return
                    if service.startswith("host:track-devices"):
                        await _while_heard(reader, self._track(service, writer))
                        return
                    device = self._host(service, writer)
                    if device is None:
                        return
        finally:
            writer.close()

    def _host(self, service: str, writer: asyncio.StreamWriter) -> Android | None:
        """Answer one service of the server's own; a transport leads to a device."""
        name, _, rest = service.partition(":")
        serial, question = "", rest
        if name == "host-serial":
            serial, _, question = rest.rpartition(":")
        if question.startswith(("transport:", "tport:serial:")) or question in _ANY:
            return self._transport(question, writer)
        if question in {"features", "get-state", "get-serialno"}:
            self._about(serial, question, writer)
        else:
            writer.write(self._plain(name, question))
        return None

    def _plain(self, name: str, question: str) -> bytes:
        if name == "host" and question.startswith("connect:"):
            return _okay(self._connect(question.removeprefix("connect:")))
        plain = {
            "version": b"%04x" % self.version,
            "devices": self._list(long=False),
            "devices-l": self._list(long=True),
            "host-features": _HOST_FEATURES,
        }
        return _okay(plain[question]) if name == "host" and question in plain else _fail(b"unknown host service")

    def _transport(self, question: str, writer: asyncio.StreamWriter) -> Android | None:
        serial = "" if question in _ANY else question.removeprefix("transport:").removeprefix("tport:serial:")
        device, failure = self._find(serial)
        if device is None or failure is not None:
            writer.write(_fail(failure or b""))
            return None
        number = _id(serial).to_bytes(8, "little") if question.startswith("tport:") else b""
        writer.write(b"OKAY" + number)
        return device

    def _about(self, serial: str, question: str, writer: asyncio.StreamWriter) -> None:
        device, failure = self._find(serial, any_state=question == "get-state")
        if device is None or failure is not None:
            writer.write(_fail(failure or b""))
            return
        answers = {"features": device.features, "get-state": device.state, "get-serialno": serial}
        writer.write(_okay(answers[question].encode()))

    def _find(self, serial: str, *, any_state: bool = False) -> tuple[Android | None, bytes | None]:
        devices = self.devices()
        device = devices.get(serial) or (next(iter(devices.values())) if not serial and len(devices) == 1 else None)
        if device is None and not serial:
            return None, b"more than one device/emulator" if devices else b"no devices/emulators found"
        if device is None:
            return None, b"device '%b' not found" % serial.encode()
        return device, None if any_state else _FAILS.get(device.state)

    def _connect(self, address: str) -> bytes:
        host, _, port = address.rpartition(":")
        if host not in {"127.0.0.1", "localhost"} or not port.isdecimal() or int(port) not in self._guests():
            refused = "No connection could be made because the target machine actively refused it. (10061)"
            return f"cannot connect to {address}: {refused}".encode()
        already = int(port) in self.connected
        self.connected.add(int(port))
        self.changed()
        return f"{'already ' if already else ''}connected to {address}".encode()

    def _list(self, *, long: bool) -> bytes:
        return "".join(
            f"{serial:<22} {device.state} {device.product} transport_id:{_id(serial)}\n"
            if long
            else f"{serial}\t{device.state}\n"
            for serial, device in self.devices().items()
        ).encode()

    async def _track(self, service: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"OKAY")
        while True:
            changed = self._changed
            listed = self._list(long=service.endswith("-l"))
            writer.write(b"%04x" % len(listed) + listed)
            await writer.drain()
            await changed.wait()


async def _request(reader: asyncio.StreamReader) -> str:
    return (await reader.readexactly(int(await reader.readexactly(4), 16))).decode()


async def _while_heard(reader: asyncio.StreamReader, answering: Coroutine[Any, Any, None]) -> None:
    """Answer, unless the client goes away before; what it still says (the input of a shell) is of no interest."""
    answer, gone = asyncio.ensure_future(answering), asyncio.ensure_future(_drained(reader))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (answer, gone):
            task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
    if not answer.cancelled():
        answer.result()


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def _through(device: Android, service: str, writer: asyncio.StreamWriter) -> None:
    output = await device.answer(service)
    writer.write(_fail(b"closed") if output is None else b"OKAY" + output)
    await writer.drain()


def _okay(text: bytes) -> bytes:
    return b"OKAY%04x" % len(text) + text


def _fail(text: bytes) -> bytes:
    return b"FAIL%04x" % len(text) + text


def _id(serial: str) -> int:
    return zlib.crc32(serial.encode()) % 1000 + 1
