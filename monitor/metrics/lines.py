"""Lines of an exposition, kept from one rendering to the next: labels are written once, values when they change.

A row belongs to one entity and holds, for each family, the text of its series up to the value, and the lines as they
were rendered last. Not thread-safe: one rendering at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Final

from monitor.metrics.catalogue import Metric
from monitor.metrics.label import escaped
from monitor.metrics.series import Column, Kind, Shape, Values

BLOCK: Final = 1024
"""Entities whose lines are joined at once: a few hundred kilobytes."""


class _Row:
    __slots__ = ("_heads", "lines", "series", "shape", "values")

    def __init__(self, shape: Shape, heads: list[str]) -> None:
        self.shape = shape
        self._heads = heads
        self.values: Values = (None,) * len(heads)
        self.lines = [""] * len(heads)
        self.series = 0

    def show(self, values: Values) -> None:
        """Write the lines whose value changed."""
        lines, heads, known = self.lines, self._heads, self.values
        for place, value in enumerate(values):
            if value != known[place]:
                word = escaped(value) if isinstance(value, str) else value
                lines[place] = "" if value is None else heads[place] % word
                if value is None or known[place] is None:
                    self.series += heads[place].count("\n") * (-1 if value is None else 1)
        self.values = values


class Lines:
    """The lines of all entities of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._rows: dict[Hashable, _Row] = {}
        self._fresh: dict[Hashable, _Row] = {}

    def begin(self) -> Callable[[Hashable, Shape, Values], None]:
        """Begin a rendering: entities it does not name are gone.

        Returns:
            What shows one entity, by key, shape and values; its labels are written only if its shape is new.

        """
        known, columns = self._rows.get, self.kind.columns
        fresh = self._fresh = {}

        def put(key: Hashable, shape: Shape, values: Values) -> None:
            row = known(key)
            if row is None or row.shape != shape:
                row = _Row(shape, [head(column) for column in columns(*shape)])
            if row.values != values:
                row.show(values)
            fresh[key] = row

        return put

    def end(self) -> None:
        """End a rendering: what it did not name is forgotten."""
        self._rows, self._fresh = self._fresh, {}

    @property
    def series(self) -> int:
        """How many there are."""
        return sum([row.series for row in self._rows.values()])

    def blocks(self) -> Iterator[tuple[Metric, bytes]]:
        """The text of each family, without its head, in pieces."""
        rows = list(self._rows.values())
        for start in range(0, len(rows), BLOCK):
            columns = zip(*[row.lines for row in rows[start : start + BLOCK]], strict=True)
            for metric, column in zip(self.kind.metrics, columns, strict=True):
                yield metric, "".join(column).encode("utf-8", "replace")


def head(column: Column) -> str:
    """Write the series of a column, each on its line, with a ``%s`` in place of what is told."""
    end = "1\n" if column.varying else "%s\n"
    return "".join(f"{_series(column, dict(labels))} {end}" for labels in column.labels)


def _series(column: Column, labels: dict[str, str]) -> str:
    pairs = [
        f'{name}="%s"' if name == column.varying else f'{name}="{escaped(value).replace("%", "%%")}"'
        for name, value in sorted(labels.items())
    ]
    return f"{column.metric.name}{{{','.join(pairs)}}}"
