"""``workstations:`` and ``templates:``: entries over templates, ranges expanded, to workstations and their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from monitor.config.checks import Prepared, misfit, prepare_all, target
from monitor.config.context import Context
from monitor.config.params import read_params
from monitor.config.problems import Place, meant
from monitor.config.ranges import expand
from monitor.config.shapes import DefaultKeys, EntryKeys, TemplateKeys, check_host, check_name
from monitor.config.source import Items, Section
from monitor.config.words import mapping, validated
from monitor.model import NOTHING, Platform, Target, TransportSpec, Workstation


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a template or an entry says; laid over one another."""

    platform: Platform | None = None
    site: str | None = None
    code_page: str | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    transport: Section | None = None
    checks: Mapping[str, Prepared] = field(default_factory=dict)
    flawed: bool = False
    """Whether a part of it was wrong, so that what is missing is no further problem."""

    def over(self, below: Traits) -> Traits:
        """Lay these traits over others: later ones win, labels and checks by name."""
        transport = self.transport or below.transport
        if self.transport is not None and below.transport is not None and "kind" not in self.transport:
            transport = self.transport.over(below.transport)
        return Traits(
            platform=self.platform or below.platform,
            site=below.site if self.site is None else self.site,
            code_page=self.code_page or below.code_page,
            labels=MappingProxyType({**below.labels, **self.labels}) if self.labels else below.labels,
            transport=transport,
            checks={**below.checks, **self.checks} if self.checks else below.checks,
            flawed=self.flawed or below.flawed,
        )


class Fleet:
    """Builds workstations and targets, entry by entry."""

    def __init__(self, defaults: DefaultKeys, credentials: Mapping[str, object], context: Context) -> None:
        self.workstations: list[Workstation] = []
        self.targets: list[Target] = []
        self._defaults = defaults
        self._credentials = credentials
        self._context = context
        self._report = context.report
        self._templates: dict[str, Traits] = {}
        self._merged: dict[tuple[str, ...], Traits] = {}
        self._specs: dict[int, tuple[Section, TransportSpec | None]] = {}
        self._seen: dict[str, Place] = {}

    def add_templates(self, named: Section) -> None:
        """Read all templates, used or not."""
        for key in named:
            section = mapping(named[key], named.place(key), self._report)
            keys = validated(TemplateKeys, section, self._report, partial=True) if section is not None else None
            traits = Traits(flawed=True) if section is None or keys is None else self._traits(section, keys)
            self._templates[key] = traits
            if traits.transport is not None and "kind" in traits.transport:
                self._spec(traits.transport)

    def add_entries(self, items: Items) -> None:
        """Read a list of workstations."""
        for index, item in enumerate(items):
            section = mapping(item, items.place(index), self._report)
            keys = validated(EntryKeys, section, self._report, partial=True) if section is not None else None
            if section is not None and keys is not None:
                self._entry(section, keys)

    def _traits(self, section: Section, keys: TemplateKeys) -> Traits:
        items = section.get("checks")
        prepared = (
            prepare_all(items, self._defaults, self._credentials, self._context) if isinstance(items, Items) else []
        )
        transport = None
        if keys.transport is not None:
            transport = mapping(keys.transport, section.place("transport"), self._report)
        return Traits(
            platform=keys.platform,
            site=keys.site,
            code_page=keys.code_page,
            labels=MappingProxyType(keys.labels) if keys.labels else NOTHING,
            transport=transport,
            checks={one.name: one for one in prepared},
            flawed=len(prepared) != (len(items) if isinstance(items, Items) else "checks" in section),
        )

    def _below(self, section: Section, keys: EntryKeys) -> Traits:
        """The templates of an entry, merged in order; once per combination."""
        names = (keys.template,) if keys.template is not None else tuple(keys.templates)
        if "template" in section and "templates" in section:
            self._report.add(section.place("templates"), "stands beside template; keep one of the two")
        for index, used in enumerate(names):
            if used not in self._templates:
                items = section.get("templates")
                place = items.place(index) if isinstance(items, Items) else section.place("template")
                self._report.add(place, f"there is no template {used[:40]!r}; {meant(used, self._templates)}")
        if names not in self._merged:
            merged = Traits()
            for used in names:
                merged = self._templates.get(used, Traits(flawed=True)).over(merged)
            self._merged[names] = merged
        return self._merged[names]

    def _entry(self, section: Section, keys: EntryKeys) -> None:
        traits = self._traits(section, keys).over(self._below(section, keys))
        spec = self._spec(traits.transport) if traits.transport is not None else None
        if not traits.flawed and not any(one.keys.enabled for one in traits.checks.values()):
            self._report.add(section.place(), "has no checks; add checks: or a template that has some")
        for id_, address in self._names(section, keys):
            workstation = Workstation(
                id=id_,
                host=address,
                site=traits.site or "",
                labels=traits.labels,
                transport=spec,
                platform=traits.platform or Platform.WINDOWS,
                code_page=traits.code_page,
            )
            self.workstations.append(workstation)
            self._add_targets(workstation, traits, section.place())

    def _names(self, section: Section, keys: EntryKeys) -> Iterator[tuple[str, str]]:
        """The ids and hosts an entry stands for, without those taken already."""
        if keys.id is None and keys.host is None:
            if "id" not in section and "host" not in section:
                self._report.add(section.place(), "has neither id nor host; write at least host: 192.168.0.50")
            return
        ids = self._expanded(section, "id" if keys.id is not None else "host", keys.id or keys.host or "", check_name)
        hosts = self._expanded(
            section, "host" if keys.host is not None else "id", keys.host or keys.id or "", check_host
        )
        if len(ids) != len(hosts):
            if ids and hosts:
                words = f"stands for {len(ids)} workstations, but host for {len(hosts)}; make both ranges equally long"
                self._report.add(section.place("id"), words)
            return
        taken: list[str] = []
        for id_, address in zip(ids, hosts, strict=True):
            if id_ in self._seen:
                taken.append(id_)
                continue
            self._seen[id_] = section.place("id" if "id" in section else "host")
            yield id_, address
        if taken:
            self._taken(taken, section.place("id" if "id" in section else "host"))

    def _expanded(self, section: Section, key: str, text: str, valid: Callable[[str], str]) -> tuple[str, ...]:
        try:
            names = expand(text)
            for one in names:
                valid(one)
        except ValueError as exc:
            self._report.add(section.place(key), str(exc))
            return ()
        return names

    def _taken(self, taken: list[str], place: Place) -> None:
        first = self._seen[taken[0]]
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        verb = "are" if more else "is"
        self._report.add(place, f"{taken[0]}{more} {verb} defined already, at {first.file}:{first.line}")

    def _add_targets(self, workstation: Workstation, traits: Traits, place: Place) -> None:
        kind = self._context.transports[workstation.transport.kind] if workstation.transport else None
        wrong_transport = kind is None and traits.transport is not None
        where = f"{workstation.id} ({place.file}:{place.line})"
        for one in traits.checks.values():
            unfit = misfit(one, kind, where)
            if not one.keys.enabled or (wrong_transport and unfit is not None):
                continue
            if unfit is None:
                self.targets.append(target(one, workstation, kind, self._defaults))
            else:
                key, words = unfit
                self._report.add(one.place(key), words)

    def _spec(self, section: Section) -> TransportSpec | None:
        """Validate a transport; once per section."""
        known = self._specs.get(id(section))
        if known is None:
            known = self._specs[id(section)] = (section, self._read_spec(section))
        return known[1]

    def _read_spec(self, section: Section) -> TransportSpec | None:
        kind = section.get("kind")
        kinds = self._context.transports
        if not isinstance(kind, str) or kind not in kinds:
            said = f"there is no transport {kind[:40]!r}; {meant(kind, kinds)}" if isinstance(kind, str) else ""
            self._report.add(section.place("kind"), said or f"is missing; write one of {', '.join(sorted(kinds))}")
            return None
        params = read_params(kinds[kind].params, section, ("kind",), self._credentials, self._context)
        return None if params is None else TransportSpec(kind, params)
