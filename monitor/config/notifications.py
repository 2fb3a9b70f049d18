"""``notifications:``: channels (their kinds say which keys they take) and routes to them.

Secrets a kind names come from the environment or a file; a webhook's url and headers may also be written down. No
message here shows one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import SecretStr

from monitor.channels import AnyChannelKind
from monitor.config.context import Context
from monitor.config.environment import Expanded
from monitor.config.files import locate, open_to_all, read_secret
from monitor.config.problems import meant
from monitor.config.routes import ChannelKeys, NotificationKeys, QuietKeys, RouteKeys
from monitor.config.source import Items, Section
from monitor.config.words import mapping, validated
from monitor.model import NOTHING, Severity, Status
from monitor.notices import ChannelSpec, Notifications, Quiet, Route

COMMON: Final = frozenset(ChannelKeys.model_fields)
"""The keys all channels have."""
_VARIABLE: Final = re.compile(r"[^A-Za-z0-9]+")


def read_notifications(section: Section, kinds: Mapping[str, AnyChannelKind], context: Context) -> Notifications:
    """Read the whole section; what is wrong is reported and left out."""
    keys = validated(NotificationKeys, section, context.report, partial=True) or NotificationKeys()
    written = section.get("channels")
    channels: dict[str, ChannelSpec] = {}
    found = written if isinstance(written, Section) else Section(section.file, section.line, "notifications.channels")
    names = list(found)
    for name, value in found.items():
        part = mapping(value, found.place(name), context.report)
        spec = _channel(name, part, kinds, context) if part is not None else None
        if spec is not None:
            channels[name] = spec
    routes = tuple(_routes(section.get("routes"), names, context))
    if names and "routes" not in section:
        routes = (Route(name="all", channels=tuple(names)),)
    return Notifications(channels=MappingProxyType(channels), routes=routes, title=keys.title, text=keys.text)


def secret_files(kind: AnyChannelKind) -> Mapping[str, Any]:
    """The keys that name files with a channel's secrets, as JSON Schema."""
    return {
        f"{key}_file": {"type": "string", "description": f"a file that holds {key}"} for key in sorted(kind.secrets)
    }


def _channel(name: str, section: Section, kinds: Mapping[str, AnyChannelKind], context: Context) -> ChannelSpec | None:
    kind = section.get("kind")
    known = kinds.get(kind) if isinstance(kind, str) else None
    if known is None and isinstance(kind, str):
        context.report.add(section.place("kind"), f"there is no channel {kind[:40]!r}; {meant(kind, kinds)}")
    common = {key: value for key, value in section.items() if key in COMMON}
    keys = validated(ChannelKeys, section, context.report, data=common)
    if keys is None or known is None:
        return None
    files = {f"{secret}_file" for secret in known.secrets}
    own: dict[str, Any] = {key: value for key, value in section.items() if key not in COMMON | files}
    wrong = [secret for secret in sorted(known.secrets) if not _secret(secret, name, section, own, context)]
    if wrong:
        return None
    params = validated(known.params, section, context.report, data=own, known=COMMON | files)
    return None if params is None else ChannelSpec(keys.kind, params, keys.title, keys.text)


def _secret(key: str, name: str, section: Section, own: dict[str, Any], context: Context) -> bool:
    """Put a secret from the environment or a file into `own`; False: it is wrong, and reported."""
    value, file = section.get(key), f"{key}_file"
    if key in section and file in section:
        context.report.add(section.place(file), f"stands beside {key}; keep one of the two")
        return False
    if key in section and not isinstance(value, Expanded):
        variable = f"{_VARIABLE.sub('_', name).strip('_').upper() or 'CHANNEL'}_{key.upper()}"
        words = f'holds a secret and is not written into a config; write "${{{variable}}}" or use {file}'
        context.report.add(section.place(key), words)
        return False
    if isinstance(value, Expanded):
        if not str(value):
            context.report.add(section.place(key), f"{value.raw} is empty")
            return False
        own[key] = SecretStr(str(value))
    return file not in section or _from_file(key, section, own, context)


def _from_file(key: str, section: Section, own: dict[str, Any], context: Context) -> bool:
    place, text = section.place(f"{key}_file"), section.get(f"{key}_file")
    if not isinstance(text, str) or not text:
        context.report.add(place, "must be the name of a file")
        return False
    path = locate(text, context.base_of(place.file), context.environ)
    context.files.append(path)
    try:
        own[key] = SecretStr(read_secret(path))
    except ValueError as exc:
        context.report.add(place, f"{path} {exc}")
        return False
    if open_to_all(path):
        context.report.warn(place, f"{path} can be read by everybody on this machine; run chmod 600")
    return True


def _routes(items: object, channels: list[str], context: Context) -> Iterator[Route]:
    if not isinstance(items, Items):
        return
    first: dict[str, int | None] = {}
    for index, item in enumerate(items):
        section = mapping(item, items.place(index), context.report)
        keys = validated(RouteKeys, section, context.report) if section is not None else None
        if section is None or keys is None:
            continue
        for name in keys.channels:
            if name not in channels:
                context.report.add(
                    section.place("channels"), f"there is no channel {name[:40]!r}; {meant(name, channels)}"
                )
        name = keys.name or str(index + 1)
        place = section.place("name")
        if name in first:
            context.report.add(place, f"a second route named {name!r} (first at line {first[name]})")
            continue
        first[name] = place.line
        yield _route(name, keys)


def _route(name: str, keys: RouteKeys) -> Route:
    return Route(
        name=name,
        channels=tuple(dict.fromkeys(keys.channels)),
        sites=tuple(keys.sites),
        workstations=tuple(keys.workstations),
        labels=MappingProxyType(keys.labels) if keys.labels else NOTHING,
        kinds=frozenset(keys.kinds),
        categories=frozenset(keys.categories),
        statuses=frozenset(map(Status, keys.statuses)),
        severity=Severity[keys.severity.upper()],
        after=keys.after,
        wait=keys.wait,
        update=keys.update,
        remind=None if keys.remind == "never" else keys.remind,
        resolved=keys.resolved,
        resolve_after=keys.resolve_after,
        steady=keys.steady,
        rate=None if keys.rate is None else (keys.rate.messages, keys.rate.per),
        quiet=tuple(map(_quiet, keys.quiet)),
    )


def _quiet(keys: QuietKeys) -> Quiet:
    return Quiet(begins=keys.begins, ends=keys.ends, days=frozenset(keys.numbers()), zone=keys.zone())
