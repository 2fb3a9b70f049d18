"""``checks:``: sections become checks with validated parameters, once per section however many workstations share it.

The keys all checks have are read here; the others are the business of the check's own `Params`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from monitor.checks import AnyCheck, CheckParams, needs, path_of, travelled
from monitor.config.context import Context
from monitor.config.params import read_params
from monitor.config.problems import Place, meant
from monitor.config.shapes import CheckKeys, DefaultKeys
from monitor.config.source import Items, Section
from monitor.config.words import mapping, validated
from monitor.durations import show
from monitor.model import NOTHING, Target, Workstation
from monitor.transports import AnyTransportKind

COMMON: Final = frozenset(CheckKeys.model_fields)
"""The keys all checks have; no check's `Params` may use one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A check section, validated, for whichever workstations it applies to."""

    section: Section
    check: AnyCheck
    params: CheckParams
    keys: CheckKeys
    name: str
    interval: float
    timeout: float
    jitter: float
    labels: Mapping[str, str]

    def place(self, key: str) -> Place:
        """Where one of its keys is."""
        return self.section.place(key)


def prepare_all(
    items: Items, defaults: DefaultKeys, credentials: Mapping[str, object], context: Context
) -> list[Prepared]:
    """Validate the checks of one list; wrong ones are reported and left out, so are second ones of the same name."""
    found: list[Prepared] = []
    first: dict[str, Place] = {}
    for index, item in enumerate(items):
        section = mapping(item, items.place(index), context.report)
        if section is None:
            continue
        name = section.get("name", section.get("kind"))
        place = section.place("name" if "name" in section else "kind")
        if isinstance(name, str) and name in first:
            words = f"a second check named {name!r} (first at line {first[name].line}); give one of them another name"
            context.report.add(place, words)
            continue
        first[str(name)] = place
        prepared = _prepare(section, defaults, credentials, context)
        if prepared is not None:
            found.append(prepared)
    return found


def _prepare(
    section: Section, defaults: DefaultKeys, credentials: Mapping[str, object], context: Context
) -> Prepared | None:
    """Validate one check section."""
    kind = section.get("kind")
    check = context.checks.get(kind) if isinstance(kind, str) else None
    if check is None and isinstance(kind, str):
        context.report.add(section.place("kind"), f"there is no check {kind[:40]!r}; {meant(kind, context.checks)}")
    if check is not None and (taken := COMMON & check.params.model_fields.keys()):
        raise TypeError(f"check {check.name}: {', '.join(sorted(taken))} means something for all checks")
    common = {key: value for key, value in section.items() if key in COMMON}
    keys = validated(CheckKeys, section, context.report, data=common)
    params = None if check is None else read_params(check.params, section, COMMON, credentials, context)
    if check is None or keys is None or params is None:
        return None
    interval = defaults.interval if keys.interval is None else keys.interval
    timeout = _timeout(check, keys, defaults, interval)
    if timeout > interval:
        words = f"must not be longer than the interval of {show(interval)}, but is {show(timeout)}"
        usual = f", the default of {check.name}; make the interval longer, or write timeout: {show(interval)}"
        context.report.add(section.place("timeout"), words + (usual if keys.timeout is None else ""))
    if (unfit := check.fits(params, timeout)) is not None:
        context.report.add(section.place("timeout"), unfit)
    room = max(0.0, interval - timeout)
    jitter = min(defaults.jitter, room) if keys.jitter is None else keys.jitter
    if jitter > room:
        words = f"must leave time for the run: at most {show(room)}, the interval less the timeout, not {show(jitter)}"
        context.report.add(section.place("jitter"), words)
    return Prepared(
        section=section,
        check=check,
        params=params,
        keys=keys,
        name=keys.name or check.name,
        interval=interval,
        timeout=timeout,
        jitter=jitter,
        labels=MappingProxyType(keys.labels) if keys.labels else NOTHING,
    )


def _timeout(check: AnyCheck, keys: CheckKeys, defaults: DefaultKeys, interval: float) -> float:
    """Tell a check's deadline: its own, else the default, cut to the interval, but never below what its kind needs."""
    if keys.timeout is not None:
        return keys.timeout
    return max(min(defaults.timeout, interval), check.timeout or 0.0)


def target(
    prepared: Prepared, workstation: Workstation, kind: AnyTransportKind | None, defaults: DefaultKeys
) -> Target:
    """Make the target of one check on one workstation."""
    check, keys = prepared.check, prepared.keys
    path = path_of(check, prepared.params, workstation, kind)
    if check.each and keys.emulator is not None:
        path = (*path[:-1], replace(path[-1], scope=keys.emulator))
    return Target(
        workstation=workstation,
        name=prepared.name,
        kind=check.name,
        params=prepared.params,
        path=path,
        through=travelled(check, path),
        interval=prepared.interval,
        timeout=prepared.timeout,
        down_after=keys.down_after or defaults.down_after,
        up_after=keys.up_after or defaults.up_after,
        jitter=prepared.jitter,
        critical=keys.critical,
        labels=prepared.labels,
        emulator=keys.emulator,
        each=check.each and keys.emulator is None,
        lane=kind.lane if needs(check, prepared.params) and kind is not None else check.lane,
    )


def misfit(prepared: Prepared, kind: AnyTransportKind | None, where: str) -> tuple[str, str] | None:
    """Say why a check can't run with the transport of a workstation, and what would be right; None: it can.

    Returns:
        The key of the check that does not fit, and the words.

    """
    check, params = prepared.check, prepared.params
    needed = needs(check, params)
    if not needed:
        return None
    wanted = needed if isinstance(needed, str) else None
    words = f"runs commands on {where} over its transport:"
    if kind is None:
        return "kind", f"{words} it has none; add transport: {{kind: {wanted or 'ssh'}}} to it or its template"
    if wanted is not None and kind.name != wanted:
        return "kind", f"{words} it has {kind.name}; this check needs {wanted}"
    unserved = check.served(params, kind)
    return None if unserved is None else (unserved[0], f"can't be had on {where}: {unserved[1]}")
