"""Families as prometheus_client knows them: for its own renderer, its registry, and to compare ours with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

from monitor.metrics.catalogue import Kind, Metric
from monitor.metrics.label import Labels
from monitor.metrics.series import Column, Values


class Families:
    """Some families, filled sample by sample. Samples may share their labels: nobody changes them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._families = {metric: _family(metric) for metric in metrics}

    def add(self, metric: Metric, labels: Labels, value: float) -> None:
        """Add one sample of a counter or gauge, or the 1 of an info."""
        self._families[metric].samples.append(Sample(metric.name, dict(labels), value))

    def take(self, metric: Metric, samples: Iterable[Sample]) -> None:
        """Add the ready samples of a histogram."""
        self._families[metric].samples.extend(samples)

    def show(self, columns: Sequence[Column], values: Values) -> None:
        """Add the series of one entity."""
        for column, value in zip(columns, values, strict=True):
            if isinstance(value, str):
                self.add(column.metric, {**column.labels[0], column.varying: value}, 1)
            elif value is not None:
                parts = value if isinstance(value, tuple) else (value,)
                for labels, part in zip(column.labels, parts, strict=True):
                    self.add(column.metric, labels, part)

    def all(self) -> Iterator[Family]:
        """Every family, in order."""
        yield from self._families.values()


def _family(metric: Metric) -> Family:
    """Make an empty family; prometheus_client appends the suffixes itself."""
    name = metric.name.removesuffix("_total").removesuffix("_info")
    return Family(name if metric.kind in {Kind.COUNTER, Kind.INFO} else metric.name, metric.help, metric.kind)
