"""From what was found to a config, as text: like hosts share a template and a range, and comments say what was seen.

Nothing a host said gets out of a comment, but for the folder of a console, whose form `places` has judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from monitor.config.shapes import check_name
from monitor.discovery import USUAL, Console, Look, Open, Protocol, printable
from monitor.discovery.look import CREDENTIAL
from monitor.discovery.trust import USUAL_FILE
from monitor.model import EmulatorRun, Entity

_NUMBER: Final = re.compile(r"(.*?)([0-9]{1,9})([^0-9]*)")
_MANY: Final = 12
"""Instances a comment names; the others are counted."""
_DIRECT: Final = {Protocol.SSH: "ssh", Protocol.WINRM: "winrm", Protocol.WINRM_HTTPS: "winrm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """All that was found of one host."""

    name: str
    doors: tuple[Open, ...]
    look: Look = field(default_factory=Look)

    @property
    def known(self) -> tuple[Open, ...]:
        """The doors behind which somebody speaks what was looked for."""
        return tuple(sorted((found for found in self.doors if found.confirmed), key=lambda found: found.door))


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How the credential is written: where its secrets are, never what they are."""

    user: str
    key_file: Path | None = None
    password_file: Path | None = None
    passphrase_file: Path | None = None


def config(hosts: Sequence[Host], login: Login | None, *, when: str, partial: bool = False) -> str:
    """Write a config that watches what was found; at least one host must have a door that was confirmed.

    Args:
        hosts: What was found.
        login: Who logs in; None: nobody did.
        when: The time, for the comment on top.
        partial: Whether the search was interrupted.

    """
    groups: dict[tuple[str, ...], list[Host]] = {}
    for host in hosts:
        if host.known:
            groups.setdefault(tuple(_shape(host)), []).append(host)
    names = dict(zip(groups, _names(groups.values()), strict=True))
    lines = [*_head(when, partial=partial), ""]
    if login is not None:
        lines += ["credentials:", f"  {CREDENTIAL}: {_flow(_login(login))}", ""]
    lines.append("templates:")
    for shape, group in groups.items():
        lines += [f"  {names[shape]}:", *(f"    {line}" for line in _filled(shape, group))]
    lines += ["", "workstations:"]
    for shape, group in groups.items():
        lines += [f"  {line}" for line in _entries(group, names[shape])]
    strays = [f"# {host.name}: {found}" for host in hosts for found in host.doors if not found.confirmed]
    if strays:
        lines += ["", "# Open, but not what was looked for there:", *strays]
    return "\n".join(lines) + "\n"


def compress(hosts: Sequence[str]) -> list[str]:
    """Write hosts that differ in one number as a range, as `monitor.config.ranges` reads it."""
    alone: list[str] = []
    families: dict[tuple[str, str], list[str]] = {}
    for host in dict.fromkeys(hosts):
        found = _NUMBER.fullmatch(host)
        if found is None:
            alone.append(host)
        else:
            families.setdefault((found[1], found[3]), []).append(found[2])
    ranges = [text for (head, tail), numbers in families.items() for text in _ranges(head, tail, numbers)]
    return [*ranges, *alone]


def _ranges(head: str, tail: str, numbers: Sequence[str]) -> Iterator[str]:
    """One text for all numbers without a leading zero, and one for each width of the others."""
    padded = {len(number) for number in numbers if len(number) > 1 and number.startswith("0")}
    for width in sorted({0, *padded}):
        own = [number for number in numbers if (len(number) if len(number) in padded else 0) == width]
        runs: list[list[int]] = []
        for number in sorted(map(int, own)):
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        parts = [f"{run[0]:0{width}}" if len(run) == 1 else f"{run[0]:0{width}}-{run[-1]:0{width}}" for run in runs]
        if parts:
            inner = ",".join(parts)
            yield f"{head}{inner}{tail}" if len(own) == 1 else f"{head}[{inner}]{tail}"


def _head(when: str, *, partial: bool) -> list[str]:
    cut = ["# The search was interrupted: there may be more."] if partial else []
    return [
        f"# Written by `emuwatch discover`, {when}. A beginning, to be read before it is used.",
        *cut,
        "# Check by hand: the names (`id:`, a range as long as that of `host:`), sites, labels, and what should run.",
        "# Each `expect_running` below says what ran just then, and asks for nothing until you take the # away.",
        "# Then: emuwatch check-config -c FILE; emuwatch probe WORKSTATION -c FILE.",
    ]


def _login(login: Login) -> Mapping[str, object]:
    files = {
        "key_file": login.key_file,
        "passphrase_file": login.passphrase_file,
        "password_file": login.password_file,
    }
    return {"user": login.user, **{key: str(path.absolute()) for key, path in files.items() if path is not None}}


def _shape(host: Host) -> Iterator[str]:
    """What a template says of a host; equal ones make a group. ``@driver`` marks where something may be added."""
    look = host.look
    inside = look.platform is not None and look.door is not None
    if inside:
        yield f"platform: {look.platform}"
        yield f"transport: {_flow(_transport(look))}"
    yield "checks:"
    if inside and look.door is not None:
        yield f"  - {{kind: {_DIRECT[look.door.protocol]}}}"
        yield "  - {kind: host}"
    for found in host.known:
        if not inside or found.door != look.door:
            expect = {"expect": "^SSH-"} if found.door.protocol is Protocol.SSH else {}
            name = f"{found.door.protocol}-{found.door.port}"
            yield f"  - {_flow({'kind': 'tcp', 'name': name, 'port': found.door.port, **expect})}"
    for console in _first(look.consoles) if inside else ():
        yield f"  - kind: {'ldplayer' if console.driver == 'ldplayer' else 'console'}"
        if console.driver != "ldplayer":
            yield f"    name: {console.driver}"
            yield f"    driver: {console.driver}"
        yield f"    console: {_scalar(console.program)}"
        yield f"@{console.driver}"


def _transport(look: Look) -> Mapping[str, object]:
    assert look.door is not None, "a login needs a door"  # noqa: S101 - for the type checker
    door = look.door
    keys: dict[str, object] = {"kind": _DIRECT[door.protocol], "credential": CREDENTIAL}
    if door.protocol is Protocol.WINRM_HTTPS:
        keys["https"] = True
    if (door.port,) != USUAL[door.protocol]:
        keys["port"] = door.port
    if door.protocol is Protocol.SSH and look.known_hosts not in {"", str(USUAL_FILE.expanduser())}:
        keys["known_hosts"] = look.known_hosts
    return keys


def _first(consoles: Sequence[Console]) -> list[Console]:
    """One console of each product, the one with the most instances that run: two would give the same ids."""
    best: dict[str, Console] = {}
    for console in consoles:
        if console.driver not in best or _score(console) > _score(best[console.driver]):
            best[console.driver] = console
    return list(best.values())


def _score(console: Console) -> tuple[int, int]:
    return len(_running(console)), len(console.instances)


def _running(console: Console) -> list[int | str]:
    return [each.key or each.index for each in console.instances if each.run is EmulatorRun.RUNNING]


def _filled(shape: Sequence[str], group: Sequence[Host]) -> Iterator[str]:
    """The template, with what ran on all hosts of a group in place of each mark."""
    for line in shape:
        if not line.startswith("@"):
            yield line
            continue
        ran = [_running(each) for host in group for each in _first(host.look.consoles) if each.driver == line[1:]]
        always = [which for which in ran[0] if all(which in other for other in ran)]
        if always:
            where = "" if len(group) == 1 else "   # on every one of them"
            yield f"    # expect_running: {_flow(always)}{where}"


def _names(groups: Iterable[Sequence[Host]]) -> list[str]:
    """A name for each group, after what it is."""
    names: list[str] = []
    for group in groups:
        look = group[0].look
        products = [console.driver for console in _first(look.consoles)]
        way = [str(look.platform), _DIRECT[look.door.protocol]] if look.platform and look.door else ["ports"]
        name = "-".join([*way, *products])
        taken = sum(each == name or each.startswith(f"{name}.") for each in names)
        names.append(f"{name}.{taken + 1}" if taken else name)
    return names


def _entries(group: Sequence[Host], template: str) -> Iterator[str]:
    for host in group:
        yield from (f"# {line}" for line in _about(host))
    for text in compress([host.name for host in group]):
        yield f"- host: {_scalar(text)}"
        if not _named(text):
            yield f"  id: {_scalar(f'host-{text}')}"
        yield f"  template: {template}"


def _about(host: Host) -> Iterator[str]:
    """What was seen of a host."""
    look = host.look
    said = [look.version, *map(str, host.known), look.fingerprint]
    yield f"{host.name}: {', '.join(filter(None, said))}"
    if look.trouble:
        yield f"  {printable(look.trouble, 200)}"
    if any(found.door.protocol is Protocol.ADB for found in host.known):
        yield "  its adb server obeys whoever reaches it: let it listen on loopback only"
    chosen = _first(look.consoles)
    for console in look.consoles:
        aside = "" if console in chosen else "; not watched: its emulators would have the same ids as those above"
        told = console.trouble or ", ".join(_listed(console.instances)) or "no instances"
        yield f"  {console.driver} {console.program}: {printable(told, 1000)}{aside}"


def _listed(instances: Sequence[Entity]) -> Iterator[str]:
    for each in instances[:_MANY]:
        title = "" if each.title == each.key else f" {printable(each.title, 40)!r}"
        yield f"{each.key or each.index}{title} {each.run}"
    if len(instances) > _MANY:
        yield f"and {len(instances) - _MANY} more"


def _named(text: str) -> bool:
    """Whether hosts can be ids as they are."""
    try:
        check_name(text.partition("[")[0] or "0")
    except ValueError:
        return False
    return True


def _scalar(text: str) -> str:
    return _dumped(text).removesuffix("...\n").strip()


def _flow(value: object) -> str:
    return _dumped(value).strip()


def _dumped(value: object) -> str:
    """YAML on one line; what would be a variable of the environment is none."""
    dumped: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=1 << 30)
    return dumped.replace("${", "$${")
