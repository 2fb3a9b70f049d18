"""The committed dashboards, as files: what the builder makes, what Grafana reads, and what a person needs on them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from dashboards.build import limits, looks
from dashboards.build.__main__ import files, main, stale, write
from dashboards.build.board import plain
from dashboards.build.sdk import models, register_default_plugins
from monitor.breaker.machine import State
from monitor.metrics.catalogue import CATALOGUE, EMULATOR_STATE, Kind
from monitor.model import Status
from tests.dashboards.expressions import FILES, FOLDER, TYPES, Json, asked, everything, load, panels, variables

RULES = sorted((Path(__file__).parents[2] / "alerts" / "rules").glob("*.yml"))
NAME = re.compile(r"\bemuwatch_[a-z_]+\b")
RECORDED = re.compile(r"\bemuwatch:[a-z_]+:[a-z0-9_]+\b")
OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds"}
"""What Prometheus itself notes, and dashboards show."""
DEPRECATED = {"graph", "singlestat", "table-old", "grafana-piechart-panel", "heatmap-old", "natel-discrete-panel"}
COLUMNS, SCREEN = 24, 27
"""Of the grid; and the rows of it that a screen of 1080 lines shows below Grafana's own bars."""
AWAITED: Mapping[str, str] = {}
"""Names a dashboard of Emuwatch itself is to show once they are exported."""
every_dashboard = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def exported() -> set[str]:
    """Every name a scrape can show."""
    parts = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
    return {metric.name + part for metric in CATALOGUE for part in parts.get(metric.kind, ("",))}


def rules() -> list[Json]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def test_committed__beside_what_the_builder_makes__is_equal() -> None:
    assert stale() == [], "run: python -m dashboards.build"


def test_stale__file_changed_missing_or_too_many__names_it(tmp_path: Path) -> None:
    write(tmp_path)
    first, second, *_ = sorted(files())
    (tmp_path / first).write_text("{}")
    (tmp_path / second).unlink()
    (tmp_path / "old.json").write_text("{}")
    assert stale(tmp_path) == sorted([first, second, "old.json"])
    write(tmp_path)
    assert stale(tmp_path) == []


def test_main__check_and_nonsense__exit_codes_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--check"]), main(["--chekc"])) == (0, 2)
    assert capsys.readouterr().err.startswith("usage")


@every_dashboard
def test_committed__read_by_the_sdk_and_written_again__is_the_same(path: Path) -> None:
    register_default_plugins()
    document = load(path)
    assert plain(models.Dashboard.from_json(document)) == document


@every_dashboard
def test_dashboard__as_a_whole__is_stable_tagged_and_says_what_it_is_for(path: Path) -> None:
    document = load(path)
    assert document["uid"] == path.stem
    assert len(document["uid"]) <= 40
    assert document["tags"] == ["emuwatch"]
    assert document["schemaVersion"] == 41
    assert document["description"]
    assert document.get("id") is None
    assert "inControlsMenu" not in json.dumps(document)
    assert variables(document)[0]["name"] == "datasource"
    assert [link["tags"] for link in document["links"] if link["includeVars"] and link["keepTime"]] == [["emuwatch"]]


@every_dashboard
def test_panels__on_the_grid__neither_overlap_nor_stick_out_and_rows_are_full(path: Path) -> None:
    spots = [panel["gridPos"] for panel in load(path)["panels"]]
    assert all(spot["x"] >= 0 and spot["x"] + spot["w"] <= COLUMNS for spot in spots)
    for one, other in combinations(spots, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or above, (one, other)
    bottom = max(spot["y"] + spot["h"] for spot in spots)
    assert sum(spot["w"] * spot["h"] for spot in spots) == COLUMNS * bottom, "the grid has holes"


@every_dashboard
def test_panels__each__says_what_to_do_and_is_legible(path: Path) -> None:
    found = list(panels(load(path)))
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    for panel in found:
        assert panel["type"] in TYPES - DEPRECATED
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert len(panel["title"]) <= panel["gridPos"]["w"] * 7, "the title is cut off"
        assert (panel["gridPos"]["w"], panel["gridPos"]["h"]) >= (4, 4)
        assert panel["gridPos"]["h"] <= SCREEN


@every_dashboard
def test_panels__with_axes_or_figures__have_a_unit(path: Path) -> None:
    for panel in panels(load(path)):
        if panel["type"] in {"timeseries", "stat", "bargauge"}:
            assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]
        if panel["type"] == "heatmap":
            assert panel["options"]["yAxis"]["unit"] == "s"


def test_first_screen__of_every_dashboard__tells_how_things_are() -> None:
    for path in FILES:
        first = [panel for panel in panels(load(path)) if panel["gridPos"]["y"] < 2]
        assert {panel["type"] for panel in first} == {"stat"}, path.stem


@every_dashboard
def test_variables__used_in_expressions__are_declared_before_whoever_needs_them(path: Path) -> None:
    document = load(path)
    own = {"__rate_interval", "__range", "__interval", "__url_time_range"}
    known = {variable["name"] for variable in variables(document)}
    for found in asked(document):
        assert set(re.findall(r"\$\{?(\w+)", found.expression)) <= known | own, found.where
    seen: set[str] = set()
    for variable in variables(document):
        assert set(re.findall(r"\$(\w+)", str(variable.get("query")))) <= seen, variable["name"]
        seen.add(variable["name"])


def links(node: object) -> list[str]:
    """Every address a click can lead to."""
    if isinstance(node, list):
        return [found for item in node for found in links(item)]
    if not isinstance(node, dict):
        return []
    own = [node["url"]] if isinstance(node.get("url"), str) else []
    return own + [found for value in node.values() for found in links(value)]


@every_dashboard
def test_data_links__from_overview_to_detail__lead_to_a_dashboard_and_keep_source_site_and_time(path: Path) -> None:
    uids = {file.stem for file in FILES}
    for url in links(load(path)["panels"]):
        target, parameters = url.removeprefix("/d/").split("?")
        assert target in uids
        assert "${datasource:queryparam}" in parameters
        assert "${site:queryparam}" in parameters
        assert "${__url_time_range}" in parameters
        assert "var-workstation=${__" in parameters


def test_data_links__of_overviews__are_there() -> None:
    by_name = {path.stem: links(load(path)["panels"]) for path in FILES}
    assert all(by_name[name] for name in ("emuwatch-fleet", "emuwatch-breakers", "emuwatch-emulators"))


@every_dashboard
def test_trips__in_whatever_knows_workstations__are_annotated(path: Path) -> None:
    document = load(path)
    names = {variable["name"] for variable in variables(document)}
    notes = [note["expr"] for note in document.get("annotations", {}).get("list", [])]
    assert any("emuwatch_breaker_trips_total" in note for note in notes) == ("workstation" in names)


def test_states__of_the_model__all_have_a_word_and_a_colour() -> None:
    states = EMULATOR_STATE.help.rpartition(": ")[2].removesuffix(".").split(", ")
    assert {word for word, _ in looks.EMULATOR.values()} == set(states)
    assert {word for word, _ in looks.STATUS.values()} == {status.value for status in Status}
    assert {number: word for number, (word, _) in looks.BREAKER.items()} == {
        state.number: state.value.replace("_", "-") for state in State
    }
    assert [color for _, color in looks.BREAKER.values()] == [looks.GREEN, looks.YELLOW, looks.RED]


def compared(expression: str) -> list[tuple[str, str, float]]:
    """Everything an expression compares with a number: what, how, and the number; factors of something are none."""
    number = r"-?[\d.]+(?:e\d+)?"
    comparison = re.compile(rf"([<>]=?)(?: bool)? ({number}(?: \* {number})*)(?! ?[*/\d.])")
    return [
        (part[: match.start()], match[1], math.prod(float(factor) for factor in match[2].split(" * ")))
        for part in re.split(r"\b(?:and|or|unless)\b", " ".join(expression.split()))
        for match in comparison.finditer(part)
    ]


def test_compared__finds_numbers_with_their_sides_and_no_factors() -> None:
    expression = """
        max without (instance) ((a / b < 0.05 or (a / b < 0.2 and predict_linear(a[6h], 24 * 3600) < 0)) * c)
        or a - time() < 14 * 86400 and a > 3 * b unless a == 1
    """
    assert [(how, value) for _, how, value in compared(expression)] == [
        ("<", 0.05),
        ("<", 0.2),
        ("<", 0),
        ("<", 14 * 86400),
    ]
    assert ["a / b" in what for what, _, _ in compared(expression)] == [True, True, False, False]


@pytest.mark.parametrize("limit", [limit for limit in limits.ALL if limit.alert], ids=lambda limit: str(limit.alert))
def test_limit__beside_the_rules_of_its_alert__has_their_numbers_and_their_direction(limit: limits.Limit) -> None:
    said = [found for rule in rules() if rule.get("alert") == limit.alert for found in compared(rule["expr"])]
    numbers = [(how[0], value) for what, how, value in said if limit.of in what]
    worse = "<" if limit.below else ">"
    assert sorted(numbers) == sorted((worse, level) for level in (limit.warning, limit.critical) if level is not None)


def test_limit__where_two_rules_of_one_alert_differ_in_severity__its_levels_are_theirs() -> None:
    by_severity = {
        rule["labels"]["severity"]: compared(rule["expr"])[0][2]
        for rule in rules()
        if rule.get("alert") == "CertificateEnds"
    }
    assert by_severity == {"warning": limits.CERTIFICATE.warning, "critical": limits.CERTIFICATE.critical}


def test_names__in_dashboards__are_exported_or_recorded_by_the_rules() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for found in everything():
        assert set(NAME.findall(found.expression)) <= exported(), found.where
        assert set(RECORDED.findall(found.expression)) <= recorded, found.where


def test_names__in_expressions__are_ours_or_named_as_those_of_prometheus() -> None:
    metric = re.compile(r"(?<![\w:\"$=~.])([a-zA-Z_:][\w:]*)(?=\{|\[| and on)")
    for found in everything():
        for name in metric.findall(found.expression):
            assert NAME.fullmatch(name) or RECORDED.fullmatch(name) or name in OF_PROMETHEUS, (found.where, name)


def test_names__of_the_catalogue__are_shown_or_alerted_or_marked_for_ad_hoc_use() -> None:
    said = " ".join([found.expression for found in everything()] + [rule["expr"] for rule in rules()])
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(said)} | set(NAME.findall(said))
    names = {metric.name for metric in CATALOGUE}
    marked = {metric.name for metric in CATALOGUE if metric.ad_hoc}
    assert names - used == marked, "show them, or say in the catalogue what they are for"
    assert AWAITED.keys() & names == set(), "they are exported now: show them, and take them off the list"


def test_provisioning__mounted_as_one_folder__finds_the_dashboards_and_a_prometheus() -> None:
    provider = yaml.safe_load((FOLDER / "dashboards" / "emuwatch.yaml").read_text())["providers"][0]
    source = yaml.safe_load((FOLDER / "datasources" / "emuwatch.yaml").read_text())["datasources"][0]
    mounted = Path(provider["options"]["path"]).relative_to("/etc/grafana/provisioning")
    assert sorted((FOLDER / mounted).glob("*.json")) == FILES
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert (source["type"], source["jsonData"]["httpMethod"]) == ("prometheus", "POST")
