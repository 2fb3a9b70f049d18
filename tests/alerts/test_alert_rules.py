"""The alert rules, by Prometheus's own tools: their syntax, scenarios for every alert, no name that is not there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.metrics import CATALOGUE
from monitor.metrics.catalogue import Kind
from tests.servers import require_program

ROOT: Final = Path(__file__).parents[2]
ALERTS: Final = ROOT / "alerts"
RULES: Final = sorted((ALERTS / "rules").glob("*.yml"))
SCENARIOS: Final = sorted((Path(__file__).parent / "rules").glob("*.yml"))
HEADINGS: Final = ("## Meaning", "## Likely causes, in order", "## What to do")

AWAITED: Final[Mapping[str, str]] = {}
"""Names of the design that rules use and nobody exports yet; whoever exports one takes it off this list."""


@dataclass(frozen=True)
class Rule:
    """One alert as it is written."""

    name: str
    severity: str
    body: dict[str, Any]


def alerts() -> list[Rule]:
    rules = [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    return [Rule(rule["alert"], rule["labels"]["severity"], rule) for rule in rules]


ALL: Final = alerts()
NAMES: Final = sorted({rule.name for rule in ALL})


def scenarios(alert: str) -> list[dict[str, Any]]:
    tests = (test for path in SCENARIOS for test in yaml.safe_load(path.read_text())["tests"])
    return [test for test in tests if test["name"].startswith(f"{alert}: ")]


def promtool(*arguments: str | Path) -> None:
    program = require_program("promtool", "prometheus")
    ended = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules__are_accepted_by_promtool(path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios__come_out_as_written(path: Path) -> None:
    promtool("test", "rules", path)


def test_alertmanager_example__is_accepted_by_amtool() -> None:
    program = require_program("amtool", "prometheus-alertmanager")
    path = ALERTS / "alertmanager" / "alertmanager.yml"
    ended = subprocess.run([program, "check-config", path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: f"{rule.name}-{rule.severity}")
def test_alert__has_a_scenario_in_which_it_fires_after_silence_and_resolves(rule: Rule) -> None:
    def fires(step: dict[str, Any]) -> bool:
        return any(alert["exp_labels"]["severity"] == rule.severity for alert in step["exp_alerts"])

    courses = [[fires(step) for step in scenario.get("alert_rule_test", [])] for scenario in scenarios(rule.name)]
    whole = [course for course in courses if True in course and not course[0] and not course[-1]]
    assert whole, f"no scenario of {rule.name} ({rule.severity}) begins and ends silent and fires in between"


@pytest.mark.parametrize("alert", NAMES)
def test_alert__has_a_scenario_just_below_in_which_it_stays_silent(alert: str) -> None:
    below = [scenario for scenario in scenarios(alert) if "silent just below" in scenario["name"]]
    assert below, f"{alert} has none"
    for scenario in below:
        assert all(not step["exp_alerts"] for step in scenario["alert_rule_test"]), scenario["name"]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: f"{rule.name}-{rule.severity}")
def test_alert__says_how_bad_how_long_what_and_what_to_do_first(rule: Rule) -> None:
    assert rule.severity in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+[smh]", rule.body["for"])
    notes = rule.body["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "First " in notes["description"] or " first " in notes["description"], "says what to do first"
    assert notes["runbook_url"] == f"runbooks/{rule.name}.md"
    assert "$labels" in notes["summary"], "names who is meant"


def test_runbooks__there_is_one_for_every_alert_and_no_other() -> None:
    assert sorted(path.stem for path in (ALERTS / "runbooks").glob("*.md")) == NAMES


@pytest.mark.parametrize("alert", NAMES)
def test_runbook__has_meaning_causes_in_order_and_steps(alert: str) -> None:
    text = (ALERTS / "runbooks" / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    places = [text.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    causes, steps = text[places[1] : places[2]], text[places[2] :]
    assert "\n1. " in causes
    assert "\n1. " in steps


def exported() -> set[str]:
    names: set[str] = set()
    for metric in CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        names.update(metric.name + suffix for suffix in suffixes)
    return names


def used() -> set[str]:
    """Every name of ours in an expression or a text; recorded names hold a colon after the prefix and are not meant."""
    texts = [path.read_text() for path in (*RULES, *(ALERTS / "runbooks").glob("*.md"))]
    return {name for text in texts for name in re.findall(r"\bemuwatch_[a-z0-9_]+\b", text)}


def test_names__used_in_alerts__are_in_the_catalogue_or_awaited() -> None:
    assert used() - exported() - set(AWAITED) == set()


def test_names__awaited__are_still_used_and_not_exported_yet() -> None:
    assert set(AWAITED) & exported() == set(), "these are exported now: take them off AWAITED"
    assert set(AWAITED) - used() == set(), "no alert uses these any more: take them off AWAITED"


def test_recorded_names__used_anywhere__are_recorded() -> None:
    text = "".join(path.read_text() for path in (*RULES, *(ALERTS / "runbooks").glob("*.md")))
    recorded = set(re.findall(r"- record: (emuwatch:\S+)", text))
    assert set(re.findall(r"\bemuwatch:[a-z0-9_]+:[a-z0-9_]+", text)) == recorded


def test_alertmanager_example__names_only_alerts_there_are() -> None:
    """Unfold the alternatives of the matchers: a misspelt name inhibits nothing, in silence."""
    text = (ALERTS / "alertmanager" / "alertmanager.yml").read_text()
    patterns = re.findall(r'alertname=~"([^"]+)"', text)
    for pattern in patterns:
        for branch in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.fullmatch(branch, name) for name in NAMES), branch
    assert set(re.findall(r'alertname!?="([^"]+)"', text)) <= set(NAMES)
