"""From a file, or a text, to a `Config`: reads everything, collects every problem, then raises them at once or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import monitor.channels
import monitor.checks
import monitor.transports
from monitor.checks import AnyCheck
from monitor.config.context import Context
from monitor.config.credentials import read_credentials
from monitor.config.files import locate, matches, read
from monitor.config.fleet import Fleet
from monitor.config.gateways import read_gateways
from monitor.config.notifications import read_notifications
from monitor.config.policies import check_windows, read_policies
from monitor.config.problems import Place, Report
from monitor.config.settings import Config
from monitor.config.shapes import InventoryKeys, RootKeys
from monitor.config.silences import read_silences
from monitor.config.source import Items, Section, parse
from monitor.config.store import read_store
from monitor.config.words import validated
from monitor.errors import ConfigError, Problem
from monitor.silences import Purpose
from monitor.transports import AnyTransportKind

_SILENCES = ((Purpose.SILENCE, "silences"), (Purpose.MAINTENANCE, "maintenance"))


def load(
    path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    checks: Mapping[str, AnyCheck] | None = None,
    transports: Mapping[str, AnyTransportKind] | None = None,
) -> Config:
    """Read a config file and all it names.

    Args:
        path: The file.
        environ: Where ``${NAME}`` looks.
        checks: The checks there are; None: those of `monitor.checks`.
        transports: The transports there are; None: those of `monitor.transports`.

    Raises:
        ConfigError: With every problem of every file.

    """
    try:
        text = read(path)
    except ValueError as exc:
        problem = Problem(str(path), None, "", str(exc))
    else:
        return _load(text, str(path), _context(path.parent, environ, checks, transports), [path])
    raise ConfigError([problem])


def load_text(
    text: str,
    *,
    name: str = "<text>",
    base: Path = Path(),
    environ: Mapping[str, str] = os.environ,
    checks: Mapping[str, AnyCheck] | None = None,
    transports: Mapping[str, AnyTransportKind] | None = None,
) -> Config:
    """Read a config that is in no file: `name` stands for it in messages, relative paths start from `base`.

    JSON is YAML, so ``load_text(json.dumps(document))`` takes a Python dict through the same validation.

    Raises:
        ConfigError: With every problem.

    """
    return _load(text, name, _context(base, environ, checks, transports), [])


def _context(
    base: Path,
    environ: Mapping[str, str],
    checks: Mapping[str, AnyCheck] | None,
    transports: Mapping[str, AnyTransportKind] | None,
) -> Context:
    return Context(
        base=base,
        environ=environ,
        checks=monitor.checks.discover() if checks is None else checks,
        transports=monitor.transports.discover() if transports is None else transports,
        report=Report(),
    )


def _load(text: str, name: str, context: Context, files: Iterable[Path]) -> Config:
    context.files.extend(files)
    context.report.begin(name)
    root = parse(text, file=name, environ=context.environ, report=context.report)
    keys = validated(RootKeys, root, context.report, partial=True) if root is not None else None
    if root is None or keys is None:
        context.report.check()
        raise ConfigError([Problem(name, None, "", "is not valid")])
    credentials_section = _section(root, "credentials")
    credentials = read_credentials(credentials_section, context)
    fleet = Fleet(keys.defaults, credentials_section, context)
    if keys.defaults.timeout > keys.defaults.interval:
        context.report.add(_section(root, "defaults").place("timeout"), "must not be longer than the interval")
    fleet.add_templates(_section(root, "templates"))
    fleet.add_entries(_items(root))
    gateways = read_gateways(_items(root, "gateways"), credentials_section, context)
    for inventory in _inventories(root, keys, context):
        fleet.add_entries(_items(inventory))
    if not fleet.workstations and context.report.clean:
        context.report.add(
            Place(name, None, "workstations"), "there are none; add at least one, with a host and a check"
        )
    breakers = _section(root, "breakers")
    policies = read_policies(breakers, keys.breakers, context.report)
    check_windows(policies, fleet.targets, breakers, context.report)
    data_dir = _data_dir(keys, context)
    store = read_store(_section(root, "store"), keys.store, data_dir, context)
    notifications = read_notifications(_section(root, "notifications"), monitor.channels.discover(), context)
    silences = [
        silence for purpose, key in _SILENCES for silence in read_silences(root.get(key), purpose, context.report)
    ]
    context.report.check()
    host, _, port = keys.listen.rpartition(":")
    return Config(
        listen_host=host.strip("[]"),
        listen_port=int(port),
        data_dir=data_dir,
        store=store,
        external_url=keys.external_url,
        log_format=keys.log.format,
        log_level=keys.log.level,
        process_places=keys.lanes.process or max(4, 2 * (os.cpu_count() or 1)),
        drain=keys.drain,
        policies=policies,
        credentials=MappingProxyType(dict(credentials)),
        workstations=tuple(fleet.workstations),
        targets=tuple(fleet.targets),
        gateways=gateways,
        notifications=notifications,
        silences=tuple(silences),
        files=tuple(context.files),
        globs=tuple(str(locate(pattern, context.base, context.environ)) for pattern in keys.inventory_files),
        warnings=context.report.warnings,
    )


def _section(root: Section, key: str) -> Section:
    """A mapping of the root; an empty one when it is not there or wrong."""
    value = root.get(key)
    return value if isinstance(value, Section) else Section(root.file, root.place(key).line, key)


def _items(root: Section, key: str = "workstations") -> Items:
    value = root.get(key)
    return value if isinstance(value, Items) else Items(root.file, root.line, key)


def _data_dir(keys: RootKeys, context: Context) -> Path:
    if keys.data_dir is not None:
        return locate(keys.data_dir, context.base, context.environ)
    state = context.environ.get("XDG_STATE_HOME", "")
    if not Path(state).is_absolute():
        return locate("~/.local/state/emuwatch", context.base, context.environ)
    return Path(state, "emuwatch")


def _inventories(root: Section, keys: RootKeys, context: Context) -> Iterable[Section]:
    """Read the inventory files, each once."""
    items = root.get("inventory_files")
    for index, pattern in enumerate(keys.inventory_files):
        place = items.place(index) if isinstance(items, Items) else root.place("inventory_files")
        try:
            found = matches(str(locate(pattern, Path(), context.environ)), context.base)
        except (ValueError, OSError):
            found = []
        if not found:
            context.report.add(place, f"{pattern[:100]!r} matches no file")
        for path in found:
            if path not in context.files:
                inventory = _inventory(path, context)
                if inventory is not None:
                    yield inventory


def _inventory(path: Path, context: Context) -> Section | None:
    context.files.append(path)
    context.report.begin(str(path))
    context.bases[str(path)] = path.parent
    try:
        text = read(path)
    except ValueError as exc:
        context.report.add(Place(str(path), None, ""), str(exc))
        return None
    section = parse(text, file=str(path), environ=context.environ, report=context.report)
    if section is not None:
        validated(InventoryKeys, section, context.report)
    return section
