"""The committed dashboards, by a JSON Schema of Grafana's types; and that it lets nothing else pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dashboards.build.sdk import register_default_plugins
from tests.dashboards.expressions import FILES, TYPES, Json, load
from tests.dashboards.schema import Schemas

Place = tuple[str | int, ...]
Change = Callable[[Json], object]

FREE: Final = {
    ("transformations", "options"): "each transformation has its own",
    ("templating", "list", "query"): "each data source has its own",
    ("overrides", "matcher", "options"): "each matcher has its own",
    ("targets", "datasource"): "left open by the SDK; another test says which it is",
}
"""Where the SDK has ``object``: anything may stand there."""


@cache
def validator() -> Draft202012Validator:
    register_default_plugins()
    schema = Schemas(*sorted(TYPES)).dashboard()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard__by_the_schema_of_grafanas_types__is_valid(path: Path) -> None:
    error = best_match(validator().iter_errors(load(path)))
    assert error is None, f"{error.json_path}: {error.message}"


def panel(document: Json, kind: str) -> Json:
    found: Json = next(panel for panel in document["panels"] if panel["type"] == kind)
    return found


def defaults(document: Json) -> Json:
    found: Json = panel(document, "stat")["fieldConfig"]["defaults"]
    return found


def overrides(document: Json) -> list[Json]:
    found: list[Json] = panel(document, "table")["fieldConfig"]["overrides"][0]["properties"]
    return found


WRONG: Final[dict[str, Change]] = {
    "a version in words": lambda d: d.update(schemaVersion="x"),
    "a height in words": lambda d: panel(d, "stat")["gridPos"].update(h="abc"),
    "half a column": lambda d: panel(d, "stat")["gridPos"].update(w=4.5),
    "no place": lambda d: panel(d, "stat")["gridPos"].pop("x"),
    "a colour mode there is not": lambda d: panel(d, "stat")["options"].update(colorMode="nonsense"),
    "a number for a graph mode": lambda d: panel(d, "stat")["options"].update(graphMode=7),
    "an option of another plugin": lambda d: panel(d, "stat")["options"].update(rowHeight=0.5),
    "a number for a unit": lambda d: defaults(d).update(unit=5),
    "decimals in words": lambda d: defaults(d).update(decimals="x"),
    "a way of thresholds there is not": lambda d: defaults(d)["thresholds"].update(mode="zzz"),
    "a threshold in words": lambda d: defaults(d)["thresholds"]["steps"][0].update(value="low"),
    "a key there is not": lambda d: d.update(foo=1),
    "a field there is not": lambda d: panel(d, "state-timeline")["fieldConfig"]["defaults"]["custom"].update(foo=1),
    "an override of a field there is not": lambda d: overrides(d).append({"id": "custom.noSuch", "value": 3}),
    "an override of the wrong type": lambda d: overrides(d).append({"id": "unit", "value": 3}),
    "a panel of an unknown type": lambda d: panel(d, "stat").update(type="graph"),
    "a query format there is not": lambda d: panel(d, "table")["targets"][0].update(format="csv"),
    "a sort order there is not": lambda d: d["templating"]["list"][1].update(sort=99),
    "an annotation without a name": lambda d: d["annotations"]["list"][0].pop("name"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_dashboard__with_one_thing_wrong__is_refused(change: Change) -> None:
    document = load(FILES[0])
    assert validator().is_valid(document)
    change(document)
    assert not validator().is_valid(document)


def places(node: Any, place: Place = ()) -> Iterator[Place]:
    """Where there is a value that holds no others."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield from places(value, (*place, key))
    if not isinstance(node, (dict, list)):
        yield place


def alone(document: Json) -> Iterator[tuple[str, Json]]:
    """The dashboard without panels, and with each panel alone."""
    yield "", {**document, "panels": []}
    for each in document["panels"]:
        yield each["type"], {**document, "panels": [each]}


def put(document: Json, place: Place, value: object) -> Json:
    changed = copy.deepcopy(document)
    *way, last = place
    node: Any = changed
    for step in way:
        node = node[step]
    node[last] = value
    return changed


def test_dashboards__nonsense_in_any_place__is_refused_but_where_the_sdk_leaves_it_open() -> None:
    tried: set[tuple[str, ...]] = set()
    for path in FILES:
        for kind, document in alone(load(path)):
            for place in places(document):
                names = (kind, *(step for step in place if isinstance(step, str)))
                if names not in tried:
                    tried.add(names)
                    refused = not validator().is_valid(put(document, place, {"nonsense": True}))
                    assert refused or any(set(free) <= set(names) for free in FREE), place
    assert len(tried) > 250
