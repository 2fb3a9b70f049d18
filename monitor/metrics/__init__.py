"""What Prometheus sees of us: counts kept from results, beliefs and breaker states pulled at each scrape.

`catalogue` names every metric; `series` says which series each thing has; `scrapes` renders them, and `Metrics` keeps
the counts and says what is the case. A check has its series from its first day on, with counters at 0, and loses them
when it leaves the config. Nothing here is global: the registry comes from outside.
"""

from __future__ import annotations

import platform
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from monitor.breaker.states import Figures
from monitor.figures import WorkstationFigures
from monitor.metrics import catalogue as names
from monitor.metrics import series
from monitor.metrics.catalogue import CATALOGUE
from monitor.metrics.families import Families
from monitor.metrics.label import clean
from monitor.metrics.scrapes import Entity, Scrapes
from monitor.metrics.series import OUTCOMES, SURE
from monitor.model import Key, Outcome, Result, SubjectKind, Target, Transition, Workstation
from monitor.silences import Purpose, Silence
from monitor.store import StoreStatus
from monitor.version import __version__

__all__ = ["CATALOGUE", "Metrics", "Scrapes"]

DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LATENESS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ASKED: Final = frozenset({Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT})
"""Outcomes of runs that sent something."""
FAILURE: Final = "failure"
REFUSED: Final = "refused"
DROPPED: Final = "dropped"
TOLD: Final = ("success", FAILURE, REFUSED, DROPPED)
"""Outcomes of an attempt to tell something."""
RENDERED: Final = "rendered"
SHARED: Final = "shared"
SOURCES: Final = (RENDERED, SHARED)
"""Where an answer of ``/metrics`` comes from."""
SINKS: Final = ("metrics", "log", "memory", "notify")
"""What the service hands results to; their errors are counted from 0 on."""
BEATS: Final = 120
"""Beats of the heart in a minute: over so many the longest lag is shown."""
MONITOR: Final = tuple(m for m in CATALOGUE if not any(m in kind.metrics for kind in series.KINDS))
"""What is not of the farm: few series, rendered by prometheus_client."""
_PLACE: Final = {outcome: place for place, outcome in enumerate(OUTCOMES)}


class Beliefs(Protocol):
    """The fleet, as far as it is read here."""

    def figures(self) -> Iterator[WorkstationFigures]:
        """What is measured of one workstation after the other."""


class BreakerTable(Protocol):
    """All breakers."""

    listener_errors: int

    def figures(self) -> Iterator[tuple[Key, Figures]]:
        """What is measured of one breaker after the other."""


class Silencing(Protocol):
    """Silences and windows of maintenance, as far as they are read here."""

    def over(self, workstation: Workstation, purpose: Purpose, /) -> Silence | None:
        """Return one that is active and covers a workstation as a whole."""

    def active(self, purpose: Purpose, /) -> int:
        """Count those that are active."""


class Channel(Protocol):
    """One way to tell people, as far as it is read here."""

    @property
    def name(self) -> str:
        """Unique."""

    @property
    def well(self) -> bool | None:
        """Whether the last attempt succeeded; None: there was none."""

    @property
    def pending(self) -> int:
        """How many messages wait."""


class _Count:
    """What is counted of one check."""

    __slots__ = ("runs", "sure")

    def __init__(self) -> None:
        self.runs = [0] * len(OUTCOMES)
        self.sure: int | None = None
        """The last value known for sure."""


_UNCOUNTED: Final = _Count()


class Metrics:
    """An observer of results, and a source of series. Not thread-safe: results and scrapes share one loop.

    In the registry it is the collector of what concerns the monitor itself, few series; those of the farm are many
    and rendered by `scrapes`. `families` has both, as prometheus_client knows them.
    """

    def __init__(
        self, *, registry: CollectorRegistry, fleet: Beliefs, breakers: BreakerTable, sinks: Iterable[str] = ()
    ) -> None:
        """Register with a registry.

        Args:
            registry: Where it is scraped.
            fleet: Whose beliefs are shown.
            breakers: Whose states are shown.
            sinks: Names whose errors are counted from 0 on; others appear with their first error.

        """
        self._fleet = fleet
        self._breakers = breakers
        self._counts: dict[str, _Count] = {}
        self._durations: dict[str, Histogram] = {}
        self._lateness = _histogram(names.LATENESS, LATENESS)
        self._lags: deque[float] = deque(maxlen=BEATS)
        self._reload_ok: bool | None = None
        self._reload_at: float | None = None
        self._sink_errors = Counter(dict.fromkeys(sinks, 0))
        self._answers = dict.fromkeys(SOURCES, 0)
        self._rendered: tuple[float, int] | None = None
        self.isolated: Callable[[], bool | None] = lambda: None
        """Whether no gateway answers; None: there is none."""
        self.store: Callable[[], StoreStatus] | None = None
        """How the store is doing; None: there is none."""
        self.channels: Callable[[], Sequence[Channel]] = tuple
        """How the channels that tell people are doing."""
        self.silences: Silencing | None = None
        """Which workstations are silenced or maintained; None: there is no such thing."""
        self._notified: Counter[tuple[str, str]] = Counter()
        self.era = 0
        """Changes whenever targets may have left the config, and with every load of it."""
        self.scrapes = Scrapes(registry=registry, source=self)
        registry.register(self)

    def retain(self, targets: Iterable[Target]) -> None:
        """Show these checks and no others; those known keep their counts, new ones start at 0."""
        known = list(targets)
        self._counts = {target.id: self._counts.get(target.id) or _Count() for target in known}
        kinds = dict.fromkeys(target.kind for target in known)
        self._durations = {
            kind: self._durations.get(kind) or _histogram(names.CHECK_DURATION, DURATIONS) for kind in kinds
        }
        self.era += 1

    def observe(self, result: Result, transitions: Sequence[Transition]) -> None:
        """Count one run; one of a check that left the config in the meantime is not counted."""
        count = self._counts.get(result.target.id)
        if count is None:
            return
        count.runs[_PLACE[result.outcome]] += 1
        if result.outcome in ASKED and result.target.kind in self._durations:
            self._durations[result.target.kind].observe(result.duration)
        for change in transitions:
            if change.kind is SubjectKind.CHECK and change.new in SURE:
                count.sure = SURE[change.new]

    def lateness(self, seconds: float) -> None:
        """Note how much later than planned a run began."""
        self._lateness.observe(max(0.0, seconds))

    def loop_lag(self, seconds: float) -> None:
        """Note how long the event loop kept a timer waiting."""
        self._lags.append(seconds)

    def reloaded(self, *, ok: bool, at: float) -> None:
        """Note how loading the config went, at a Unix time."""
        self._reload_ok = ok
        self._reload_at = at if ok else self._reload_at
        self.era += 1

    def sink_error(self, sink: str) -> None:
        """Count a result that a sink raised at or had no room for."""
        self._sink_errors[sink] += 1

    def notified(self, channel: str, outcome: str) -> None:
        """Count an attempt to tell something; one that was refused or is given up has failed too."""
        self._notified[channel, outcome] += 1
        if outcome in {REFUSED, DROPPED}:
            self._notified[channel, FAILURE] += 1

    def scraped(self, *, shared: bool) -> None:
        """Count an answer of ``/metrics``."""
        self._answers[SHARED if shared else RENDERED] += 1

    def rendered(self, *, seconds: float, series: int) -> None:
        """Note what a rendering of ``/metrics`` cost the loop, and how much it holds."""
        self._rendered = (seconds, series)

    def entities(self) -> Iterator[Entity]:
        """Everything of the farm as it is now, one after the other."""
        for key, figures in self._breakers.figures():
            yield series.BREAKERS, key, (key,), figures
        counts, silences = self._counts, self.silences
        for state in self._fleet.figures():
            workstation = state.workstation
            for check in state.checks:
                identity = check.target.id
                count = counts.get(identity, _UNCOUNTED)
                values = series.check_values(check, runs=tuple(count.runs), last_sure=count.sure)
                yield series.CHECKS, identity, (check.target,), values
            maintained = silences is not None and silences.over(workstation, Purpose.MAINTENANCE) is not None
            values = series.workstation_values(state, maintained=maintained)
            yield series.WORKSTATIONS, workstation.id, (workstation,), values
            facts = series.told(state.checks)
            if facts is not None:
                volumes, values = series.host_values(facts)
                yield series.HOSTS, workstation.id, (workstation.id, volumes), values
            for emulator in state.emulators:
                entity = emulator.entity
                shape = (workstation.id, emulator.id, entity.driver, entity.index, entity.title)
                yield series.EMULATORS, (workstation.id, emulator.id), shape, series.emulator_values(emulator)

    def describe(self) -> Iterator[Metric]:
        """Name every family `collect` has, for the registry."""
        return Families(MONITOR).all()

    def collect(self) -> Iterator[Metric]:
        """Show the monitor itself."""
        families = Families(MONITOR)
        self._add_monitor(families)
        return families.all()

    def families(self) -> Iterator[Metric]:
        """Show everything at once, as prometheus_client knows it: for tools and tests, not for large farms."""
        families = Families(CATALOGUE)
        for kind, _, shape, values in self.entities():
            families.show(kind.columns(*shape), values)
        self._add_monitor(families)
        return families.all()

    def _add_monitor(self, scrape: Families) -> None:
        """Show the monitor itself, and the histograms."""
        for kind, histogram in self._durations.items():
            scrape.take(names.CHECK_DURATION, _samples(histogram, kind=kind))
        scrape.take(names.LATENESS, _samples(self._lateness))
        scrape.add(names.BREAKER_LISTENER_ERRORS, {}, self._breakers.listener_errors)
        if self._lags:
            scrape.add(names.LOOP_LAG, {}, max(self._lags))
        isolated = self.isolated()
        if isolated is not None:
            scrape.add(names.ISOLATED, {}, isolated)
        if self._reload_ok is not None:
            scrape.add(names.RELOAD_OK, {}, self._reload_ok)
        if self._reload_at is not None:
            scrape.add(names.RELOAD_AT, {}, self._reload_at)
        if self.store is not None:
            store = self.store()
            scrape.add(names.STORE_UP, {}, store.up)
            scrape.add(names.STORE_PENDING, {}, store.pending)
            scrape.add(names.STORE_DROPPED, {}, store.dropped)
        self._add_telling(scrape)
        for sink, errors in self._sink_errors.items():
            scrape.add(names.SINK_ERRORS, {"sink": clean(sink)}, errors)
        for source, answers in self._answers.items():
            scrape.add(names.SCRAPES, {"source": source}, answers)
        if self._rendered is not None:
            seconds, count = self._rendered
            scrape.add(names.SCRAPE_RENDER, {}, seconds)
            scrape.add(names.SCRAPE_SERIES, {}, count)
        scrape.add(names.BUILD_INFO, {"version": __version__, "python_version": platform.python_version()}, 1)

    def _add_telling(self, scrape: Families) -> None:
        """Show how people are told, and what they are not told; every outcome is born at 0."""
        if self.silences is not None:
            for purpose in Purpose:
                scrape.add(names.SILENCES, {"purpose": purpose.value}, self.silences.active(purpose))
        for channel in self.channels():
            label = {"channel": clean(channel.name)}
            for outcome in TOLD:
                scrape.add(names.NOTIFICATIONS, {**label, "outcome": outcome}, self._notified[channel.name, outcome])
            scrape.add(names.NOTIFICATIONS_PENDING, label, channel.pending)
            if channel.well is not None:
                scrape.add(names.CHANNEL_UP, label, channel.well)


def _histogram(metric: names.Metric, buckets: Sequence[float]) -> Histogram:
    return Histogram(metric.name, metric.help, buckets=buckets, registry=None)


def _samples(histogram: Histogram, **labels: str) -> Iterator[Sample]:
    """Return a histogram's samples but its time of creation, which Prometheus knows no better than we do."""
    for family in histogram.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample._replace(labels={**labels, **sample.labels})
