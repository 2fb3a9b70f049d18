"""``breakers:``: one policy per category, and whether a window chosen by hand can trip at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from monitor.breaker.machine import Policy
from monitor.config.problems import Place, Report
from monitor.config.shapes import BreakerKeys, PolicyKeys
from monitor.config.source import Section
from monitor.durations import show
from monitor.model import Category, Key, Severity, Target

_DEFAULT: Final = Policy()


def read_policies(section: Section, keys: BreakerKeys, report: Report) -> Mapping[Category, Policy]:
    """Build the policy of each category: its own keys over those for all."""
    shared = _given(keys)
    found: dict[Category, Policy] = {}
    for category in Category:
        own = getattr(keys, category.value)
        given = {**shared, **(_given(own) if own is not None else {})}
        open_time = given.get("open_time", _DEFAULT.open_time)
        if given.get("backoff_factor", 1) > 1 and given.get("backoff_cap", _DEFAULT.backoff_cap) < open_time:
            words = f"must be at least the open time of {show(open_time)}"
            report.add(_place(section, category, "backoff_cap"), words)
            continue
        found[category] = Policy(**given)
    return MappingProxyType(found)


def _given(keys: PolicyKeys) -> dict[str, Any]:
    """What a section says, in the words of `Policy`."""
    given = keys.model_dump(include=set(PolicyKeys.model_fields), exclude_none=True)
    if "min_severity" in given:
        given["min_severity"] = Severity[given["min_severity"].upper()]
    if "window" in given:
        given["fixed_window"] = True
    return given


def _place(section: Section, category: Category, key: str) -> Place:
    """Where a policy's key stands: with the category if it says it, else with those for all."""
    own = section.get(category.value)
    if isinstance(own, Section) and (key in own or key not in section):
        return own.place(key)
    return section.place(key)


def check_windows(
    policies: Mapping[Category, Policy], targets: Iterable[Target], section: Section, report: Report
) -> None:
    """Report windows chosen by hand in which the failures of the fastest check on a breaker never fall."""
    fastest: dict[Key, Target] = {}
    for target in targets:
        for key in target.path:
            if key not in fastest or _pace(target) < _pace(fastest[key]):
                fastest[key] = target
    _report_windows(policies, fastest, section, report)


def _pace(target: Target) -> float:
    return target.interval + target.timeout


def _report_windows(
    policies: Mapping[Category, Policy], fastest: Mapping[Key, Target], section: Section, report: Report
) -> None:
    needs: dict[Category, tuple[float, Target, Policy]] = {}
    for key, target in fastest.items():
        policy = policies.get(key.category)
        if policy is None or not policy.fixed_window or policy.can_trip(target.interval, target.timeout):
            continue
        need = policy.failures * _pace(target)
        if key.category not in needs or need > needs[key.category][0]:
            needs[key.category] = (need, target, policy)
    for category, (need, target, policy) in needs.items():
        words = (
            f"{show(policy.window)} can never trip for {target.id} (every {show(target.interval)}, timeout "
            f"{show(target.timeout)}): {policy.failures} failures need {show(need)}; write that, or leave it out"
        )
        report.add(_place(section, category, "window"), words)
