"""One rendering of all series, as text 0.0.4 or OpenMetrics 1.0: same lines, other heads. Exemplars are not written."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from monitor.metrics.catalogue import Kind, Metric

PIECE: Final = 64 * 1024
"""Bytes a body is written in at least; smaller ones would cost a system call each."""
LEVEL: Final = 1
"""Of gzip: on an exposition twice as fast as the usual 6, for a third more bytes."""
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Format:
    """How a body is written."""

    openmetrics: bool = False
    packed: bool = False
    """Whether by gzip."""

    @property
    def content_type(self) -> str:
        """What the client is told."""
        if self.openmetrics:
            return "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent."""

    pieces: tuple[bytes, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.pieces))


@dataclass(frozen=True, slots=True)
class Family:
    """The lines of one family."""

    metric: Metric
    blocks: list[bytes] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Rendering:
    """All series at one time."""

    families: tuple[Family, ...]
    registry: CollectorRegistry
    """Of what prometheus_client renders itself: few series."""


def head(metric: Metric, *, open_format: bool) -> bytes:
    """Write the lines that introduce a family."""
    name, kind, text = metric.name, metric.kind.value, metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if open_format:
        name, text = name.removesuffix("_total").removesuffix("_info"), text.replace('"', r"\"")
    elif metric.kind is Kind.INFO:
        kind = "gauge"
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def body(rendering: Rendering, style: Format, names: Collection[str] = ()) -> Body:
    """Put a rendering together in one format, uncompressed; only families of these names, if any."""
    return Body(tuple(_pieces(_parts(rendering, style, names))))


def _parts(rendering: Rendering, style: Format, names: Collection[str]) -> Iterator[bytes]:
    for family in rendering.families:
        if not names or family.metric.name in names:
            yield head(family.metric, open_format=style.openmetrics)
            yield from family.blocks
    yield small(rendering.registry, open_format=style.openmetrics)


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= PIECE:  # large blocks are passed on as they are: to copy them all would hold the loop
            rest = [waiting.pop()] if len(part) >= PIECE else []
            yield from filter(None, (b"".join(waiting), *rest))
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def packed(plain: Body) -> Body:
    """Compress a body; takes no lock of the interpreter while it does, so a thread of its own is worth it."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    pieces = [packer.compress(piece) for piece in plain.pieces]
    return Body((*filter(None, pieces), packer.flush()))


def small(registry: CollectorRegistry, *, open_format: bool) -> bytes:
    """Have prometheus_client render what is small, in either format, with the end it has."""
    text: bytes = (
        openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # the library's gap
        if open_format
        else generate_latest(registry)
    )
    return text
