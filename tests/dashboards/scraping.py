"""The questions the dashboards ask, put to a real Prometheus that scrapes one address and evaluates the alert rules."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests import prometheus
from tests.dashboards.expressions import Asked

RULES = Path(__file__).parents[2] / "alerts" / "rules" / "*.yml"


class Prometheus:
    def __init__(self, running: prometheus.Prometheus) -> None:
        self._running = running
        self._began = time.time()

    async def figures(self, expression: str) -> list[float]:
        """Every figure of a range query over the whole time scraped; what is no number is left out."""
        end = time.time()
        result = (await self._running.ask("query_range", query=expression, start=self._began, end=end, step=1))[
            "result"
        ]
        found = [float(value) for series in result for _, value in series["values"]]
        return [value for value in found if not math.isnan(value)]

    async def values(self, label: str, metric: str) -> list[str]:
        """The values of a label, as ``label_values(metric, label)`` asks for them."""
        found: list[str] = await self._running.ask(f"label/{label}/values", match=metric)
        return found

    async def has(self, asked: Asked, expression: str) -> bool:
        return bool(await (self.values(asked.label, expression) if asked.label else self.figures(expression)))


@contextlib.asynccontextmanager
async def a_prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    config = prometheus.scraping(target, rule_files=[str(RULES)])
    async with prometheus.a_prometheus(folder, config) as running:
        yield Prometheus(running)
