"""Rules with one thing wrong in them, made mechanically from the rules there are: a scenario of each must notice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Body = Mapping[str, Any]

STEP: Final = 0.15
"""By how much a threshold is moved, either way: scenarios are to lie closer to it than that."""
NEVER: Final = 1e15

_LIMIT: Final = re.compile(r"(?P<how>[<>]=?) (?P<number>\d+(?:\.\d+)?)\b")
_EQUAL: Final = re.compile(r"== (?P<number>[01])\b")
_EITHER: Final = re.compile(r'(?P<how>=~|!~)"(?P<words>[^"]*\|[^"]*)"')
_HISTORY: Final = re.compile(r" offset \d+[hd]")


@dataclass(frozen=True)
class Mutant:
    """A rule with one thing changed."""

    what: str
    body: Body


def mutants(rule: Body) -> Iterator[Mutant]:
    """Every rule that differs from this one in one threshold, equality, alternative, demand for history or time."""
    yield from (Mutant(what, {**rule, "expr": expression}) for what, expression in _expressions(rule["expr"]))
    for key in ("for", "keep_firing_for"):
        minutes = _minutes(rule.get(key, "0m"))
        if minutes:  # what lasts less than the minute between two evaluations of the scenarios looks all the same
            some = max(1, minutes // 3)
            for changed in (minutes - some, minutes + some):
                yield Mutant(f"{key}: {rule[key]} -> {changed}m", {**rule, key: f"{changed}m"})


def _expressions(text: str) -> Iterator[tuple[str, str]]:
    for match in _LIMIT.finditer(text):
        for number in _moved(match["how"], match["number"]):
            yield _with(text, match, f"{match['how']} {number:.10g}")
    for match in _EQUAL.finditer(text):
        yield _with(text, match, "== 2")
    for match in _EITHER.finditer(text):
        words = match["words"].split("|")
        for word in words:
            kept = "|".join(other for other in words if other is not word)
            yield _with(text, match, f'{match["how"]}"{kept}"')
    for match in _HISTORY.finditer(text):
        yield _with(text, match, "")


def _moved(how: str, number: str) -> tuple[float, ...]:
    value = float(number)
    if not value:
        return (NEVER if how.startswith(">") else -NEVER,)
    if how == ">=" and "." not in number:
        return value - 1, value + 1  # it counts things
    return value * (1 - STEP), value * (1 + STEP)


def _with(text: str, match: re.Match[str], word: str) -> tuple[str, str]:
    line = text.count("\n", 0, match.start()) + 1
    return f"line {line}: {match[0]} -> {word or 'nothing'}", text[: match.start()] + word + text[match.end() :]


def _minutes(time: str) -> int:
    return int(time[:-1]) * {"h": 60, "m": 1, "s": 0}[time[-1]]
