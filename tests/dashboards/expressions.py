"""Everything the committed dashboards ask Prometheus, with the variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards" / "provisioning"
FILES = sorted((FOLDER / "dashboards" / "emuwatch").glob("*.json"))
TYPES = {"timeseries", "stat", "table", "state-timeline", "bargauge", "heatmap"}
"""Of panels, all that are used."""
Json = dict[str, Any]

_LABEL_VALUES = re.compile(r"label_values\((?P<metric>.+), (?P<label>\w+)\)")


def load(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def panels(document: Json) -> Iterator[Json]:
    """The panels, without the rows that head them."""
    return (panel for panel in document["panels"] if panel["type"] != "row")


def variables(document: Json) -> list[Json]:
    found: list[Json] = document["templating"]["list"]
    return found


@dataclass(frozen=True)
class Asked:
    """One expression and where it stands."""

    where: str
    """``<uid> / <panel> / <letter>``."""
    expression: str
    label: str = ""
    """Whose values are wanted, for a variable."""
    panel: str = ""
    """The type of the panel."""

    def filled(self, values: Mapping[str, str]) -> str:
        return re.sub(r"\$(?:{(\w+)}|(\w+))", lambda found: values[found[1] or found[2]], self.expression)


def asked(document: Json) -> Iterator[Asked]:
    uid = document["uid"]
    for panel in panels(document):
        for target in panel["targets"]:
            yield Asked(f"{uid} / {panel['title']} / {target['refId']}", target["expr"], panel=panel["type"])
    for annotation in document.get("annotations", {}).get("list", []):
        yield Asked(f"{uid} / annotation {annotation['name']}", annotation["expr"])
    for variable in variables(document):
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found is not None, variable["query"]["query"]
            yield Asked(f"{uid} / variable {variable['name']}", found["metric"], label=found["label"])


def everything() -> list[Asked]:
    return [found for path in FILES for found in asked(load(path))]
