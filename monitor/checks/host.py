"""What a workstation says of itself: processor, memory, disks, boot time, graphics, the processes of its emulators.

    {kind: host}
    {kind: host, disk_free: 10GiB, disk_exclude: ["D:"], memory_available: 5%, cpu: 0.95, cpu_for: 10m}

One script, one round trip: PowerShell and CIM on Windows, sh and ``/proc`` on Linux. On Windows it takes some seconds,
most of them PowerShell's own, so its deadline is 15 s where none is given. What goes wrong once the script was started
is its own layer's: the transport works, and console and guests wait behind the same one. Nothing is judged that has no
limit; a reboot is told, not judged.
"""

from __future__ import annotations

import fnmatch
from collections.abc import MutableMapping
from typing import Annotated, Final, NoReturn

from pydantic import Field

from monitor import durations
from monitor.checks import Check, CheckParams, Reach
from monitor.durations import Duration, between
from monitor.errors import ProbeError
from monitor.hostfacts import limits, linux, windows
from monitor.hostfacts.boot import rebooted, written
from monitor.hostfacts.limits import Limit, show
from monitor.listing import not_started
from monitor.model import Category, Fact, HostFacts, Observation, Platform, Reason, Severity, Target, Verdict
from monitor.transports import Completed

TIMEOUT: Final = 15.0
"""Seconds a healthy Windows may take: PowerShell starts, loads CIM and asks a dozen classes."""
TOLD: Final = 600.0
"""Seconds a reboot is worth a message."""
GAP: Final = 3.0
"""Intervals without an answer after which a busy processor is busy since now."""
SHOWN: Final = 80
"""Characters of garbage that are worth a message."""

_COMMANDS: Final = {Platform.WINDOWS: windows.COMMAND, Platform.LINUX: linux.COMMAND}
_PARSERS: Final = {Platform.WINDOWS: windows.parse, Platform.LINUX: linux.parse}
_FIGURES: Final = (
    "cpu_ratio",
    "memory_total_bytes",
    "memory_available_bytes",
    "commit_limit_bytes",
    "commit_available_bytes",
    "boot_time_seconds",
    "gpu_ratio",
)


class Params(CheckParams):
    """From where on a workstation is not well; None: never."""

    disk_free: Limit | None = None
    """The least that must be free on every volume."""
    disk_exclude: tuple[str, ...] = ()
    """Volumes that may be full, with ``*``, ``?`` and ``[...]``."""
    memory_available: Limit | None = None
    commit_available: Limit | None = None
    """The least of memory and page file together that may still be promised to programs."""
    cpu: float | None = Field(default=None, gt=0.0, le=1.0)
    """The share of processor time above which it is busy."""
    cpu_for: Annotated[Duration, between(0.0, 86_400.0)] = 300.0
    """How long it may be busy."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Ask, read, compare."""
    platform = target.workstation.platform
    facts = read(await reach.run(_COMMANDS[platform], layer=Category.EXTERNAL), target)
    now = reach.now()
    news = _rebooted(facts, reach.memory, now)
    return judge(facts, params, busy=_busy(facts, params, target, reach.memory, now), news=news)


def read(completed: Completed, target: Target) -> HostFacts:
    """Read the answer.

    Raises:
        ProbeError: EXTERNAL: no such program, garbage, or an answer with nothing in it.

    """
    where, platform = f"{target.workstation.id} host facts", target.workstation.platform
    if not_started(completed, platform):
        _fail(f"{where}: {completed.argv[0]} could not be started", Reason.NOT_INSTALLED)
    facts = _PARSERS[platform](completed.stdout)
    if facts is None:
        printed = completed.stdout.strip()[:SHOWN].decode("utf-8", "backslashreplace")
        reason = Reason.COMMAND_FAILED if completed.exit_code and not printed else Reason.PROTOCOL
        _fail(f"{where}: no answer of the script (exit code {completed.exit_code}): {printed!r}", reason)
    if facts.memory_total_bytes is None and facts.boot_time_seconds is None:
        _fail(f"{where}: the script ran and learnt nothing; on Windows, see whether WMI works", Reason.COMMAND_FAILED)
    return facts


def judge(facts: HostFacts, params: Params, *, busy: str = "", news: str = "") -> Observation:
    """Say whether everything is within its limits.

    Args:
        facts: What the host told.
        params: The limits.
        busy: That the processor is busy for too long, in words.
        news: That it was rebooted, in words.

    """
    judged = [v.name for v in facts.volumes if not any(fnmatch.fnmatchcase(v.name, p) for p in params.disk_exclude)]
    beyond = limits.shortages(
        facts,
        disk=params.disk_free,
        memory=params.memory_available,
        commit=params.commit_available,
        volumes=judged,
    )
    beyond += [busy] if busy else []
    return Observation(
        verdict=Verdict.DEGRADED if beyond else Verdict.UP,
        reason=Reason.THRESHOLD if beyond else None,
        message="; ".join([*beyond, *([news] if news else [])]) or _summary(facts),
        facts=_figures(facts, rebooted=bool(news)),
        host=facts,
    )


def _figures(facts: HostFacts, *, rebooted: bool) -> dict[str, Fact]:
    figures: dict[str, Fact] = {name: value for name in _FIGURES if (value := getattr(facts, name)) is not None}
    if facts.processes is not None:
        figures["emulator_processes"] = len(facts.processes)
    if rebooted:
        figures["rebooted"] = True
    return figures


def _summary(facts: HostFacts) -> str:
    parts = []
    if facts.cpu_ratio is not None:
        parts.append(f"CPU {facts.cpu_ratio:.0%}")
    if facts.memory_available_bytes is not None and facts.memory_total_bytes is not None:
        parts.append(f"{show(facts.memory_available_bytes)} of {show(facts.memory_total_bytes)} memory available")
    parts += [f"{volume.name} {show(volume.free_bytes)} free" for volume in facts.volumes[:3]]
    return ", ".join(parts) or "it answers"


def _busy(facts: HostFacts, params: Params, target: Target, memory: MutableMapping[str, Fact], now: float) -> str:
    """Say for how long the processor has been busy, if that is too long; remember since when it is."""
    seen, memory["cpu_seen"] = memory.get("cpu_seen"), now
    if params.cpu is None or facts.cpu_ratio is None or facts.cpu_ratio <= params.cpu:
        memory.pop("cpu_since", None)
        return ""
    since = memory.get("cpu_since")
    lost = not isinstance(seen, float) or now - seen > GAP * target.interval + target.timeout
    if lost or not isinstance(since, float):
        since = memory["cpu_since"] = now
    if now - since < params.cpu_for:
        return ""
    busy = durations.show(round(now - since))
    return f"CPU {facts.cpu_ratio:.0%} for {busy}, limit {params.cpu:.0%} for {durations.show(params.cpu_for)}"


def _rebooted(facts: HostFacts, memory: MutableMapping[str, Fact], now: float) -> str:
    """Say that it was rebooted, for a while after that was seen."""
    boot, before = facts.boot_time_seconds, memory.get("boot_time")
    if boot is not None:
        memory["boot_time"] = boot
        if isinstance(before, float) and rebooted(before, boot):
            memory["reboot_seen"] = now
    seen = memory.get("reboot_seen")
    booted = memory.get("boot_time")
    if not isinstance(seen, float) or not isinstance(booted, float) or now - seen > TOLD:
        return ""
    return f"rebooted at {written(booted)}"


def _fail(message: str, reason: Reason) -> NoReturn:
    raise ProbeError(message, category=Category.EXTERNAL, severity=Severity.HIGH, reason=reason)


CHECK = Check(
    name="host",
    category=Category.EXTERNAL,
    params=Params,
    probe=probe,
    scope=lambda _: "host",
    transport=True,
    timeout=TIMEOUT,
)
