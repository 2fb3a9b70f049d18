"""Faults by command, for people who drill their alerts: ``power-off ws-03``, ``slow ws-02 2s``. Pure but for the farm.

One table says which words there are; a word that means nothing is answered with those that do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from monitor.durations import parse, show
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import SimulatedWorkstation

GIB: Final = 2**30
Apply = Callable[[SimulatedWorkstation, str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One word: what it takes beside a workstation, and what it does."""

    takes: str
    says: str
    apply: Apply


class MeaninglessError(ValueError):
    """A line that can't be carried out; the message says why."""


def _index(host: SimulatedWorkstation, text: str) -> int:
    if not text.isdecimal() or int(text) >= len(host.guests):
        raise MeaninglessError(f"{host.id} has emulators 0 to {len(host.guests) - 1}, not {text!r}")
    return int(text)


def _slow(host: SimulatedWorkstation, text: str) -> None:
    try:
        host.slow(parse(text))
    except ValueError as error:
        raise MeaninglessError(str(error)) from None


def _http(host: SimulatedWorkstation, text: str) -> None:
    if not text.isdecimal() or not 100 <= int(text) <= 599:  # noqa: PLR2004 - the range of HTTP's status codes
        raise MeaninglessError(f"{text!r} is no HTTP status; write one such as 500")
    host.http_status(int(text))


def _fill(host: SimulatedWorkstation, text: str) -> None:
    if not text.isdecimal():
        raise MeaninglessError(f"{text!r}: write how many GiB are left free")
    host.fill_disk(int(text) * GIB)


def _well(host: SimulatedWorkstation, _: str) -> None:
    host.power_on()
    host.slow(0)
    host.hang_console(hanging=False)
    host.refuse_logins(refused=False)
    host.http_status()
    host.fill_disk()
    for index in range(len(host.guests)):
        host.lie(index, lying=False)
        host.freeze(index, frozen=False)


FAULTS: Final = {
    "power-off": Fault("", "it falls silent", lambda host, _: host.power_off()),
    "power-on": Fault("", "it boots, its emulators too", lambda host, _: host.power_on()),
    "slow": Fault("DURATION", "each answer takes so long; 0s ends it", _slow),
    "hang-console": Fault("", "the emulator console answers nothing", lambda host, _: host.hang_console()),
    "free-console": Fault("", "it answers again", lambda host, _: host.hang_console(hanging=False)),
    "refuse-logins": Fault("", "SSH and WinRM turn logins down", lambda host, _: host.refuse_logins()),
    "admit-logins": Fault("", "they let us in again", lambda host, _: host.refuse_logins(refused=False)),
    "http": Fault("STATUS", "what its web panel answers", _http),
    "fill-disk": Fault("GIB", "so much of its disk is left free", _fill),
    "stick-boot": Fault("EMULATOR", "hangs in its boot", lambda host, text: host.stick_boot(_index(host, text))),
    "free-boot": Fault("EMULATOR", "boots on", lambda host, text: host.stick_boot(_index(host, text), stuck=False)),
    "lie": Fault("EMULATOR", "the console calls it stopped", lambda host, text: host.lie(_index(host, text))),
    "honest": Fault(
        "EMULATOR", "the console tells the truth", lambda host, text: host.lie(_index(host, text), lying=False)
    ),
    "freeze": Fault("EMULATOR", "runs, but answers nothing", lambda host, text: host.freeze(_index(host, text))),
    "thaw": Fault("EMULATOR", "answers again", lambda host, text: host.freeze(_index(host, text), frozen=False)),
    "launch": Fault("EMULATOR", "begins to boot", lambda host, text: host.launch(_index(host, text))),
    "quit": Fault("EMULATOR", "ends", lambda host, text: host.quit(_index(host, text))),
    "well": Fault("", "ends all its faults, by a boot", _well),
}


def usage() -> list[str]:
    """One line for each word."""
    lines = [f"{word} WORKSTATION {fault.takes}".rstrip() for word, fault in FAULTS.items()]
    width = max(map(len, lines))
    return [f"{line:{width}}  {fault.says}" for line, fault in zip(lines, FAULTS.values(), strict=True)]


def carry_out(farm: Farm, line: str) -> str:
    """Carry out one line; a workstation may be a wildcard.

    Returns:
        What was done, in words.

    Raises:
        MeaninglessError: It means nothing; nothing was done.

    """
    word, *rest = line.split()
    fault = FAULTS.get(word)
    if fault is None:
        raise MeaninglessError(f"{word!r} means nothing; there are {', '.join(FAULTS)}")
    takes = 2 if fault.takes else 1
    if len(rest) != takes:
        raise MeaninglessError(f"write {word} WORKSTATION {fault.takes}".rstrip())
    hosts = [host for host in farm.workstations if fnmatchcase(host.id, rest[0])]
    if not hosts:
        ids = [host.id for host in farm.workstations]
        raise MeaninglessError(f"there is no workstation {rest[0]!r}; there are {ids[0]} to {ids[-1]}")
    for host in hosts:
        fault.apply(host, rest[1] if fault.takes else "")
    return f"{', '.join(host.id for host in hosts)}: {fault.says}"


def intervals(interval: float, open_time: float) -> str:
    """Say how short the times of a simulated farm are."""
    return f"checks every {show(interval)}, breakers open for {show(open_time)}"
