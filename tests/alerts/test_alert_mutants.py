"""Every branch and threshold of the rules is held by a scenario: rules with one thing wrong in them are all noticed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.alerts.mutants import Body, Mutant, mutants
from tests.servers import require_program

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "alerts" / "rules"
SCENARIOS: Final = ROOT / "tests" / "alerts" / "rules"
Json = dict[str, Any]


def read(path: Path) -> Json:
    document: Json = yaml.safe_load(path.read_text())
    return document


FILES: Final = {path.name: read(path) for path in sorted(RULES.glob("*.yml"))}


def rules() -> Iterator[tuple[str, Body]]:
    for name, document in FILES.items():
        for group in document["groups"]:
            yield from ((name, rule) for rule in group["rules"])


ALERTS: Final = [(name, rule) for name, rule in rules() if "alert" in rule]
LEVELS: Final = [(name, rule) for name, rule in rules() if "record" in rule and list(mutants(rule))]


def name_of(rule: Body) -> str:
    return f"{rule['alert']}-{rule['labels']['severity']}" if "alert" in rule else rule["record"]


def about(rule: Body) -> set[str]:
    """What the scenarios that must notice are named after: the alert, or the levels and those that ask for this one."""
    if "alert" in rule:
        return {rule["alert"]}
    return {"levels", *(other["alert"] for _, other in ALERTS if rule["record"] in other["expr"])}


class Bench:
    """A folder with the rules and scenarios of some subjects; other alerts would only take time."""

    def __init__(self, folder: Path, subjects: set[str]) -> None:
        self._promtool = require_program("promtool", "prometheus")
        self._folder = folder
        self._rules = {name: _only(document, subjects) for name, document in FILES.items()}
        for name, document in self._rules.items():
            self._write(name, document)
        self._scenarios: list[Path] = []
        for path in sorted(SCENARIOS.glob("*.yml"), key=lambda path: path.stat().st_size):  # the quick ones first
            document = read(path)
            document["rule_files"] = [Path(name).name for name in document["rule_files"]]
            document["tests"] = [test for test in document["tests"] if test["name"].partition(":")[0] in subjects]
            if document["tests"]:
                self._scenarios.append(self._write(f"scenarios-{path.name}", document))

    def notices(self, name: str, rule: Body, mutant: Mutant) -> bool:
        """Whether any scenario comes out otherwise with a mutant in place of its rule."""
        self._write(name, _mapped(self._rules[name], lambda other: mutant.body if other is rule else other))
        try:
            return any(not self.pass_(path) for path in self._scenarios)
        finally:
            self._write(name, self._rules[name])

    def pass_(self, path: Path) -> bool:
        ended = subprocess.run([self._promtool, "test", "rules", path], capture_output=True, check=False, timeout=60)
        return ended.returncode == 0

    def well(self) -> bool:
        return bool(self._scenarios) and all(map(self.pass_, self._scenarios))

    def _write(self, name: str, document: Json) -> Path:
        path = self._folder / name
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
        return path


def _only(document: Json, subjects: set[str]) -> Json:
    return _mapped(document, lambda rule: rule if rule.get("alert", "levels") in {"levels", *subjects} else None)


def _mapped(document: Json, change: Callable[[Body], Body | None]) -> Json:
    groups = [
        {**group, "rules": [changed for rule in group["rules"] if (changed := change(rule)) is not None]}
        for group in document["groups"]
    ]
    return {"groups": groups}


@pytest.mark.parametrize(
    ("name", "rule"),
    [*ALERTS, *LEVELS],
    ids=lambda value: name_of(value) if isinstance(value, dict) else "",
)
def test_rule__with_one_thing_wrong__is_noticed_by_its_scenarios(name: str, rule: Body, tmp_path: Path) -> None:
    bench = Bench(tmp_path, about(rule))
    assert bench.well()
    assert [mutant.what for mutant in mutants(rule) if not bench.notices(name, rule, mutant)] == []


def test_mutants__of_a_rule__differ_in_one_thing_each() -> None:
    text = 'x{a=~"b|c"} == 1 and y > 2 * z and count(w) >= 3 and y offset 1h and v > 0'
    made = {mutant.what: mutant.body for mutant in mutants({"alert": "A", "expr": text, "for": "15m"})}
    assert [body["expr"] for body in made.values() if body["expr"] != text] == [
        text.replace("> 2", "> 1.7"),
        text.replace("> 2", "> 2.3"),
        text.replace(">= 3", ">= 2"),
        text.replace(">= 3", ">= 4"),
        text.replace("> 0", "> 1e+15"),
        text.replace("== 1", "== 2"),
        text.replace("b|c", "c"),
        text.replace("b|c", "b"),
        text.replace(" offset 1h", ""),
    ]
    assert [body["for"] for body in made.values() if body["expr"] == text] == ["10m", "20m"]


def test_mutants__of_all_rules__are_rules_too(tmp_path: Path) -> None:
    """What Prometheus refuses to load would be noticed by any scenario."""
    bodies = [mutant.body for _, rule in rules() for mutant in mutants(rule)]
    groups = [{"name": str(number), "rules": [body]} for number, body in enumerate(bodies)]
    path = tmp_path / "mutants.yml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    command = [require_program("promtool", "prometheus"), "check", "rules", "--lint=none", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(bodies) > 100
