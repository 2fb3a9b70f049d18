"""The table of metrics in the README, made from the catalogue: ``python -m monitor.metrics.table`` prints it."""

from __future__ import annotations

import sys

from monitor.metrics.catalogue import CATALOGUE, Metric


def table() -> str:
    """Write the catalogue as a Markdown table, one line a metric, without a line break at the end."""
    head = ["| name | type | labels | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join((*head, *map(_row, CATALOGUE)))


def _row(metric: Metric) -> str:
    labels = ", ".join((*metric.labels, *(["those of the config"] if metric.more_labels else [])))
    meaning = f"{metric.help} For queries of your own: {metric.ad_hoc}." if metric.ad_hoc else metric.help
    return f"| `{metric.name}` | {metric.kind} | {labels} | {meaning.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
