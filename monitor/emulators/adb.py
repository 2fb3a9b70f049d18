r"""What adb prints, read: devices, the words of ``connect``, and what commands in a guest answer.

Pure and total: bytes in, whatever they hold; None where they say nothing. Samples (each line end may be CRLF):

    * daemon not running; starting now at tcp:5037
    List of devices attached
    127.0.0.1:5555         device product:SM-S9210 model:SM_S9210 device:star2qltechn transport_id:3
    emulator-5554	offline
    0123456789ABCDEF       no permissions (user in plugdev group; are your udev rules wrong?); see [http://...]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from monitor.model import Reason

_STATES: Final = (
    rb"device|offline|unauthorized|authorizing|connecting|recovery|sideload|bootloader|host|rescue|"
    rb"no permissions[^\[]*(?:\[[^\]]*\])?|unknown|disconnect|detached"
)
_DEVICE: Final = re.compile(rb"(?P<serial>\S+)\s+(?P<state>%b)(?P<rest>(\s+.*)?)" % _STATES)
_PROPERTY: Final = re.compile(r"([a-z_]+):(\S*)")
_WAR: Final = re.compile(
    rb"adb server (?:version|is out of date)(?: \((\d{1,9})\) doesn't match this client \((\d{1,9})\))?"
)
_PORT: Final = re.compile(r"(?:.*:(\d{1,5})|emulator-(\d{1,5}))")
_FOCUS: Final = re.compile(
    rb"mCurrentFocus=(?:null|Window\{[^}\s]*(?:\s+u\d+)?\s+(?:(?P<anr>Application Not Responding: (?P<hung>[^}\s]+))|"
    rb"(?P<package>[\w.]+)(?:/(?P<activity>[\w.$]+))?|[^}]*)\})"
)
_MEMORY: Final = re.compile(rb"^\s*(Total|Free|Used|Lost) RAM:\s*(-?[\d,]{1,20})\s*[Kk]", re.MULTILINE)
_STATUS: Final = re.compile(rb"Total RAM:.*\(status (\w+)\)")
_SWAP: Final = re.compile(rb"\(\s*([\d,]{1,20})\s*[Kk] total swap\)")
_SIZE: Final = re.compile(rb"(\d{1,18}(?:\.\d{1,6})?)([KMGT]?)")
_UNITS: Final = {b"": 1, b"K": 1024, b"M": 1024**2, b"G": 1024**3, b"T": 1024**4}
_UPTIME: Final = re.compile(rb"\s*(\d{1,12}(?:\.\d{1,6})?)(?:\s|$)")
_BOOT_ID: Final = re.compile(rb"\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s*")
_HASH: Final = re.compile(rb"\s*([0-9a-f]{32})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One line of the list."""

    serial: str
    state: str
    """``device`` when it is usable; ``no permissions`` without the explanation behind it."""
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def usable(self) -> bool:
        """Whether adb would talk to it."""
        return self.state == "device"

    @property
    def port(self) -> int | None:
        """The port its adb daemon listens on, told from the serial; ``emulator-`` serials name the console's."""
        found = _PORT.fullmatch(self.serial)
        if found is None:
            return None
        return int(found[1]) if found[1] else int(found[2]) | 1


@dataclass(frozen=True, slots=True)
class Devices:
    """What ``adb devices`` printed."""

    devices: tuple[Device, ...]
    war: tuple[int, int] | None = None
    """Versions of server and client, when the client ended a server of another version to start its own."""
    started: bool = False
    """Whether a server had to be started first."""
    rejected: tuple[str, ...] = ()
    """Lines that are neither devices nor known noise, as text."""

    def of_port(self, port: int) -> tuple[Device, ...]:
        """The serials under which the guest at a port may be listed, the usable and the plain ones first."""
        twins = [device for device in self.devices if device.port == port]
        return tuple(sorted(twins, key=lambda device: (not device.usable, device.serial.startswith("emulator-"))))

    def twins(self) -> tuple[tuple[str, ...], ...]:
        """Serials that by their ports are one guest."""
        ports = dict.fromkeys(device.port for device in self.devices if device.port is not None)
        groups = (tuple(device.serial for device in self.devices if device.port == port) for port in ports)
        return tuple(group for group in groups if len(group) > 1)


@dataclass(frozen=True, slots=True)
class Connected:
    """What ``adb connect`` said; the exit code says nothing."""

    connected: bool
    reason: Reason | None = None
    """Why not; None also when the words are unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """The window that has the focus."""

    package: str | None = None
    activity: str | None = None
    anr: bool = False
    """Whether it is the dialog of an app that does not respond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What ``dumpsys battery`` says first; emulators make it up."""

    level: int | None = None
    scale: int | None = None
    status: int | None = None
    temperature_c: float | None = None
    usb_powered: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The end of ``dumpsys meminfo``."""

    total_kb: int | None = None
    free_kb: int | None = None
    used_kb: int | None = None
    lost_kb: int | None = None
    """May be negative."""
    status: str | None = None
    zram_total_swap_kb: int | None = None


def parse_devices(data: bytes) -> Devices:
    """Read ``adb devices`` and ``adb devices -l``, or the server's answer without the heading."""
    devices: list[Device] = []
    rejected: list[str] = []
    war, started = None, False
    for line in _lines(data):
        if (found := _DEVICE.fullmatch(line)) is not None:
            devices.append(_device(found))
        elif (found := _WAR.match(line)) is not None:
            war = (int(found[1] or 0), int(found[2] or 0))
        elif line.startswith(b"* daemon"):
            started = True
        elif not line.startswith(b"List of devices"):
            rejected.append(_text(line))
    return Devices(tuple(devices), war, started, tuple(rejected))


def parse_connect(data: bytes) -> Connected:
    """Read the words of ``adb connect``; the last line counts, others are noise."""
    words = next(reversed(list(_lines(data))), b"").lower()
    if words.startswith((b"connected to", b"already connected to")):
        return Connected(connected=True)
    return Connected(connected=False, reason=next((reason for text, reason in _CONNECT if text in words), None))


_CONNECT: Final = (
    (b"(10061)", Reason.REFUSED),
    (b"refused", Reason.REFUSED),
    (b"(10060)", Reason.TIMEOUT),
    (b"timed out", Reason.TIMEOUT),
    (b"(10065)", Reason.UNREACHABLE),
    (b"(10051)", Reason.UNREACHABLE),
    (b"no route", Reason.UNREACHABLE),
    (b"unreachable", Reason.UNREACHABLE),
    (b"authenticate", Reason.UNAUTHORIZED),
    (b"offline", Reason.OFFLINE),
)
"""Windows says it in the user's language; its number is always there."""


def parse_focus(data: bytes) -> Focus | None:
    """Read the ``mCurrentFocus=`` lines of ``dumpsys window``; None: there is none.

    There is one line for each display. The one with an app that hangs tells most, then one with an app.
    """
    seen = [_focus(found) for found in _FOCUS.finditer(data)]
    return max(seen, key=lambda focus: (focus.anr, focus.package is not None), default=None)


def parse_battery(data: bytes) -> Battery | None:
    """Read the first section of ``dumpsys battery``; None: it is not one."""
    lines = data.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith(b"Current Battery Service state")), None)
    if start is None:
        return None
    values: dict[bytes, bytes] = {}
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith((b" ", b"\t")):
            break
        key, _, value = line.partition(b":")
        values.setdefault(key.strip(), value.strip())
    tenths = _integer(values.get(b"temperature"))
    return Battery(
        level=_integer(values.get(b"level")),
        scale=_integer(values.get(b"scale")),
        status=_integer(values.get(b"status")),
        temperature_c=None if tenths is None else tenths / 10,
        usb_powered={b"true": True, b"false": False}.get(values.get(b"USB powered", b"")),
    )


def parse_meminfo(data: bytes) -> Memory | None:
    """Read the totals of ``dumpsys meminfo``; None: there are none."""
    totals = {found[1]: _integer(found[2].replace(b",", b"")) for found in _MEMORY.finditer(data)}
    if totals.get(b"Total") is None:
        return None
    status, swap = _STATUS.search(data), _SWAP.search(data)
    return Memory(
        total_kb=totals.get(b"Total"),
        free_kb=totals.get(b"Free"),
        used_kb=totals.get(b"Used"),
        lost_kb=totals.get(b"Lost"),
        status=None if status is None else _text(status[1]),
        zram_total_swap_kb=None if swap is None else _integer(swap[1].replace(b",", b"")),
    )


def parse_df(data: bytes) -> tuple[int, int] | None:
    """Read size and free bytes from ``df /data``: 1K blocks (Android 6 on) or sizes with a unit (before)."""
    heading, *rows = list(_lines(data)) or [b""]
    old = b"Blksize" in heading
    for row in rows:
        words = row.split()
        numbers = words[1:4] if old else words[-5:-2]
        sizes = [_bytes(word, unit=1 if old else 1024) for word in numbers]
        if len(sizes) == 3 and None not in sizes:  # noqa: PLR2004 - size, used, free
            return sizes[0] or 0, sizes[2] or 0
    return None


def parse_uptime(data: bytes) -> float | None:
    """Read ``/proc/uptime``, in seconds."""
    found = _UPTIME.match(data)
    return None if found is None else float(found[1])


def parse_boot_id(data: bytes) -> str | None:
    """Read ``/proc/sys/kernel/random/boot_id``: another one after each boot, and one per guest."""
    found = _BOOT_ID.fullmatch(data)
    return None if found is None else _text(found[1])


def parse_hash(data: bytes) -> str | None:
    """Read what ``md5sum`` prints; None for that of no input at all."""
    found = _HASH.match(data)
    return None if found is None or found[1] == b"d41d8cd98f00b204e9800998ecf8427e" else _text(found[1])


def _device(found: re.Match[bytes]) -> Device:
    state = "no permissions" if found["state"].startswith(b"no permissions") else _text(found["state"])
    properties = dict(_PROPERTY.findall(_text(found["rest"])))
    return Device(serial=_text(found["serial"]), state=state, properties=MappingProxyType(properties))


def _focus(found: re.Match[bytes]) -> Focus:
    name = found["hung"] or found["package"]
    return Focus(
        package=None if name is None else _text(name),
        activity=None if found["activity"] is None else _text(found["activity"]),
        anr=found["anr"] is not None,
    )


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, without the blanks around them."""
    return (line for line in map(bytes.strip, data.splitlines()) if line)


def _bytes(word: bytes, *, unit: int) -> int | None:
    found = _SIZE.fullmatch(word)
    return None if found is None else int(float(found[1]) * (_UNITS[found[2]] if found[2] else unit))


def _integer(text: bytes | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(rb"-?\d{1,18}", text) else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def serials(port: int) -> Iterable[str]:
    """Name the serials adb may list the guest at a port under, plain ones first."""
    return f"127.0.0.1:{port}", f"localhost:{port}", f"emulator-{port - 1}", f"emulator-{port}"
