"""``breakers:``: one policy per category, and whether a window chosen by hand can trip at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """Report windows chosen by hand in which the failures of no check on a breaker are sure to fall."""
    passing: dict[Key, list[Target]] = {}
    for target in targets:
        for key in target.path:
            passing.setdefault(key, []).append(target)
    _report_windows(policies, passing, section, report)


def _pace(target: Target) -> float:
    return target.interval + target.timeout


def _can_trip(policy: Policy, passing: Iterable[Target]) -> bool:
    return any(policy.can_trip(target.interval, target.timeout, target.jitter) for target in passing)


def _report_windows(
    policies: Mapping[Category, Policy], passing: Mapping[Key, Sequence[Target]], section: Section, report: Report
) -> None:
    needs: dict[Category, tuple[float, Target, Policy]] = {}
    for key, checks in passing.items():
        policy = policies.get(key.category)
        if policy is None or not policy.fixed_window or _can_trip(policy, checks):
            continue
        target = min(checks, key=_pace)
        need = policy.failures * _pace(target)
        if key.category not in needs or need > needs[key.category][0]:
            needs[key.category] = (need, target, policy)
    for category, (need, target, policy) in needs.items():
        jitter = f", jitter {show(target.jitter)}" if target.jitter else ""
        never = "may never" if target.jitter else "can never"
        pace = f"every {show(target.interval)}, timeout {show(target.timeout)}{jitter}"
        words = (
            f"{show(policy.window)} {never} trip for {target.id} ({pace}): {policy.failures} failures need "
            f"{show(need)}; write that, or leave it out"
        )
        report.add(_place(section, category, "window"), words)
