"""``gateways:``: whom to ask whether we reach the network at all, each by a check of a kind that needs no transport.

What a check of that kind takes there is validated by its own `Params`, as for a workstation.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from monitor.checks import AnyCheck, path_of
from monitor.config.context import Context
from monitor.config.params import read_params
from monitor.config.problems import Place, meant
from monitor.config.shapes import Interval, Name, Shape, Timeout, Times, Word, check_host
from monitor.config.source import Items, Section
from monitor.config.words import mapping, validated
from monitor.durations import show
from monitor.model import Target, Workstation

WITHOUT_HOST: Final = "http"
"""The kind whose `url` says whom to ask."""
KINDS: Final = ("icmp", "tcp", WITHOUT_HOST)
TIMEOUT: Final = 2.0


class GatewayKeys(Shape):
    """The keys all gateways have; the others belong to the kind."""

    kind: Word
    name: Name | None = Field(None, description="default: the host")
    interval: Interval = Field(5.0, description="from one run to the next; default 5s")
    timeout: Timeout | None = Field(
        None, description="after which a run has failed; default 2s, never over the interval"
    )
    down_after: Times = Field(2, description="failures in a row that make it silent; default 2")


class HostKeys(GatewayKeys):
    """Those of kinds that ask a host."""

    host: Annotated[Word, AfterValidator(check_host)]


def keys_of(kind: str) -> type[GatewayKeys]:
    """Return the keys beside its parameters that a gateway of a kind takes."""
    return GatewayKeys if kind == WITHOUT_HOST else HostKeys


def offered(checks: Mapping[str, AnyCheck]) -> Mapping[str, AnyCheck]:
    """Return the checks a gateway can be asked by."""
    return {name: checks[name] for name in KINDS if name in checks}


def read_gateways(items: Items, credentials: Mapping[str, object], context: Context) -> tuple[Target, ...]:
    """Read the whole list; what is wrong is reported and left out."""
    found: dict[str, Target] = {}
    first: dict[str, Place] = {}
    for index, item in enumerate(items):
        section = mapping(item, items.place(index), context.report)
        target = _gateway(section, credentials, context) if section is not None else None
        if section is None or target is None:
            continue
        place = section.place(next(key for key in ("name", "host", "url") if key in section))
        if target.name in found:
            line = first[target.name].line
            words = f"a second gateway named {target.name!r} (first at line {line}); give one of them another name"
            context.report.add(place, words)
        else:
            found[target.name], first[target.name] = target, place
    return tuple(found.values())


def _gateway(section: Section, credentials: Mapping[str, object], context: Context) -> Target | None:
    kind, checks = section.get("kind"), offered(context.checks)
    check = checks.get(kind) if isinstance(kind, str) else None
    if check is None and isinstance(kind, str):
        words = f"there is no gateway of kind {kind[:40]!r}; {meant(kind, checks)}"
        context.report.add(section.place("kind"), words)
    model = keys_of(kind) if check is not None and isinstance(kind, str) else GatewayKeys
    common = model.model_fields.keys()
    if check is not None and kind == WITHOUT_HOST and "host" in section:
        context.report.add(section.place("host"), "belongs to icmp and tcp; here the url says whom to ask")
    written = {key: value for key, value in section.items() if key in common}
    keys = validated(model, section, context.report, data=written)
    params = None if check is None else read_params(check.params, section, common, credentials, context)
    if check is None or keys is None or params is None or not _fits(section, keys, context):
        return None
    timeout = min(TIMEOUT, keys.interval) if keys.timeout is None else keys.timeout
    if (unfit := check.fits(params, timeout)) is not None:
        context.report.add(section.place("timeout"), unfit)
    host = keys.host if isinstance(keys, HostKeys) else _host_of(str(section["url"]))
    itself = Workstation(id=keys.name or host, host=host)
    return Target(
        workstation=itself,
        name=itself.id,
        kind=check.name,
        params=params,
        path=path_of(check, params, itself, None),
        interval=keys.interval,
        timeout=timeout,
        down_after=keys.down_after,
        lane=check.lane,
    )


def _host_of(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).hostname or WITHOUT_HOST
    return WITHOUT_HOST


def _fits(section: Section, keys: GatewayKeys, context: Context) -> bool:
    """Report what each key alone does not tell."""
    if keys.timeout is not None and keys.timeout > keys.interval:
        words = f"must not be longer than the interval of {show(keys.interval)}, but is {show(keys.timeout)}"
        context.report.add(section.place("timeout"), words)
    if "{host}" in str(section.get("url", "")):
        context.report.add(
            section.place("url"), "there is no workstation {host} could stand for; write the address itself"
        )
        return False
    return True
