"""What is seen of a guest that answers, and how well that is.

One command line asks everything at once, so that a look costs one round trip however much it asks.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.adb import Adb
from monitor.checks.adb.params import Params
from monitor.emulators.adb import Devices, Focus, parse_boot_id, parse_df, parse_focus, parse_hash, parse_uptime
from monitor.hostfacts.limits import short
from monitor.model import Fact, Observation, Reason, Verdict

_END: Final = b"--emuwatch--"
_BOOT_ID: Final = "cat /proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What was seen of a guest that answers."""

    serial: str
    booted: bool
    boot_id: str | None
    uptime: float | None
    data: tuple[int, int] | None
    """Size and free bytes of ``/data``."""
    running: bool
    focus: Focus | None
    picture: str | None
    stranger: str | None = None
    """Another serial of the same port under which another guest answers."""


async def look(adb: Adb, serials: Sequence[str], params: Params, memory: MutableMapping[str, Fact]) -> Guest:
    """Ask a guest for everything at once; ask a second serial of its port once per boot whether it is the same one."""
    serial, *others = serials
    script = f"; echo {_END.decode()}; ".join(questions(params))
    parts = (await adb.shell(serial, script)).stdout.split(_END)
    booted, boot_id, uptime, data, running, focus, picture = (parts + [b""] * 7)[:7]
    identity = parse_boot_id(boot_id)
    stranger = None
    for other in others:
        if identity is not None and memory.get(f"twin {other}") != identity:
            same = parse_boot_id((await adb.shell(other, _BOOT_ID)).stdout) == identity
            stranger = stranger if same else other
            memory[f"twin {other}"] = identity if same else ""
    return Guest(
        serial=serial,
        booted=booted.strip() == b"1",
        boot_id=identity,
        uptime=parse_uptime(uptime),
        data=parse_df(data),
        running=bool(running.split()) and running.split()[0].isdigit(),
        focus=parse_focus(focus),
        picture=parse_hash(picture.strip()),
        stranger=stranger,
    )


def questions(params: Params) -> tuple[str, ...]:
    """The commands whose answers `Guest` holds; those nobody wants to know are left out."""
    focused = params.package is not None and params.package_is == "focused"
    return (
        "getprop sys.boot_completed",
        _BOOT_ID,
        "cat /proc/uptime",
        "df /data",
        f"pidof {params.package}" if params.package is not None and not focused else "true",
        "dumpsys window | grep mCurrentFocus" if focused else "true",
        "screencap | md5sum" if params.frozen_after is not None else "true",
    )


def judge(
    guest: Guest, params: Params, memory: MutableMapping[str, Fact], now: float, conflict: str | None
) -> Observation:
    """Say how well a guest is that answers, and remember what the next look is compared with."""
    rebooted = guest.boot_id is not None and memory.get("boot_id", guest.boot_id) != guest.boot_id
    if guest.boot_id is not None:
        memory["boot_id"] = guest.boot_id
    unchanged = _unchanged(guest, memory, now)
    remarks = [*_remarks(guest, params, unchanged), *([(Reason.UNEXPECTED, conflict)] if conflict else [])]
    facts: dict[str, Fact | None] = {
        "serial": guest.serial,
        "boot_completed": guest.booted,
        "boot_id": guest.boot_id,
        "rebooted": rebooted,
        "uptime_seconds": guest.uptime,
        "data_size_bytes": guest.data[0] if guest.data else None,
        "data_free_bytes": guest.data[1] if guest.data else None,
        "screen_unchanged_seconds": unchanged,
        "focused_package": guest.focus.package if guest.focus else None,
    }
    news = f"{guest.serial} answers" + (", rebooted since the last look" if rebooted else "")
    return Observation(
        verdict=Verdict.DEGRADED if remarks else Verdict.UP,
        reason=remarks[0][0] if remarks else None,
        message="; ".join(words for _, words in remarks) or news,
        facts={name: fact for name, fact in facts.items() if fact is not None},
    )


def _remarks(guest: Guest, params: Params, unchanged: float | None) -> list[tuple[Reason, str]]:
    """Name what is not well, the worst first."""
    remarks: list[tuple[Reason, str]] = []
    if not guest.booted:
        remarks.append((Reason.BOOTING, "answers, but Android has not finished booting"))
    if guest.stranger is not None:
        remarks.append((Reason.WITNESSES_DISAGREE, f"{guest.stranger} is another guest than {guest.serial}"))
    if guest.booted and params.package is not None and (words := _app(guest, params.package, params.package_is)):
        remarks.append((Reason.UNEXPECTED, words))
    if guest.data is not None:
        size, free = guest.data
        remarks += ((Reason.THRESHOLD, words) for words in short("/data", free, size, params.data_free, "free"))
    if unchanged is not None and params.frozen_after is not None and unchanged >= params.frozen_after:
        remarks.append((Reason.THRESHOLD, f"the screen has shown the same picture for {unchanged:.0f} s"))
    return remarks


def _app(guest: Guest, package: str, wanted: str) -> str:
    """Say what is wrong with the app; nothing when it is there."""
    if wanted == "running":
        return "" if guest.running else f"{package} does not run"
    focus = guest.focus or Focus()
    if focus.anr:
        return f"{focus.package} does not respond"
    return "" if focus.package == package else f"{focus.package or 'nothing'} has the focus instead of {package}"


def _unchanged(guest: Guest, memory: MutableMapping[str, Fact], now: float) -> float | None:
    """Tell for how long the screen has shown this picture, as far as is known; None: it was not looked at."""
    if guest.picture is None:
        return None
    if memory.get("picture") != guest.picture:
        memory["picture"], memory["picture_since"] = guest.picture, now
    return max(0.0, now - float(memory["picture_since"]))


def war(listed: Devices, version: int | None, memory: MutableMapping[str, Fact]) -> str | None:
    """Tell of two versions of adb that end each other's server, and all connections with it."""
    if listed.war is not None:
        ours, theirs = listed.war[1], listed.war[0]
        return f"adb server war: version {theirs} ran, this adb ({ours}) ended it; use one adb for all"
    before = memory.get("server_version", version)
    if version is not None:
        memory["server_version"] = version
    return None if before == version else f"adb server war: version {before} became {version}; use one adb for all"
