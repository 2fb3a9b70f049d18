"""Colours and words: thresholds from limits, and what the numbers of states mean. The same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.build.limits import Limit
from dashboards.build.sdk import dashboard, models

GREEN: Final = "green"
YELLOW: Final = "yellow"
RED: Final = "red"
BLUE: Final = "blue"
ORANGE: Final = "orange"
PURPLE: Final = "purple"
GREY: Final = "#8e8e8e"

Words = Mapping[int, tuple[str, str]]
"""What a number means, and its colour."""

STATUS: Final[Words] = {0: ("up", GREEN), 1: ("unknown", GREY), 2: ("degraded", YELLOW), 3: ("down", RED)}
"""Of a workstation; the worse, the higher."""
CHECK: Final[Words] = {0: ("up", GREEN), 1: ("not asked", GREY), 2: ("degraded", YELLOW), 3: ("down", RED)}
BREAKER: Final[Words] = {0: ("closed", GREEN), 1: ("half-open", YELLOW), 2: ("open", RED)}
EMULATOR: Final[Words] = {
    0: ("running", GREEN),
    1: ("stopped", BLUE),
    2: ("starting", YELLOW),
    3: ("unknown", GREY),
    4: ("adb_off", PURPLE),
    5: ("zombie", ORANGE),
    6: ("frozen", RED),
    7: ("stuck_boot", "dark-red"),
}
YES_NO: Final[Words] = {0: ("no", GREEN), 1: ("yes", RED)}
NO_YES: Final[Words] = {0: ("no", RED), 1: ("yes", GREEN)}


def mapped(words: Words) -> list[models.ValueMapping]:
    """Show words in place of numbers."""
    options = {
        str(number): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (number, (text, color)) in enumerate(words.items())
    }
    return [models.ValueMap(options=options)]


def stepped(limit: Limit | None) -> dashboard.ThresholdsConfig:
    """Colour by a limit; without one everything is green."""
    return _steps(_of(limit) if limit is not None else [(None, GREEN)])


def plain(color: str) -> dashboard.ThresholdsConfig:
    """Give everything one colour."""
    return _steps([(None, color)])


def _of(limit: Limit) -> Sequence[tuple[float | None, str]]:
    if not limit.below:
        beyond = [(limit.warning, YELLOW), (limit.critical, RED)]
        return [(None, GREEN), *((value, color) for value, color in beyond if value is not None)]
    worst = RED if limit.critical is not None else YELLOW
    steps: list[tuple[float | None, str]] = [(None, worst)]
    if limit.critical is not None and limit.warning is not None:
        steps.append((limit.critical, YELLOW))
    return [*steps, (limit.critical if limit.warning is None else limit.warning, GREEN)]


def _steps(steps: Sequence[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    made = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)
