"""Where something stands in the files, and the list of all that is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, NamedTuple

from monitor.errors import ConfigError, Problem

HIDDEN_FROM: Final = 4
"""Characters from which on a value from the environment is kept out of every message."""


class Place(NamedTuple):
    """A key in a file."""

    file: str
    line: int | None
    key: str


class Report:
    """Collects problems, one per key: what follows from the first is noise."""

    def __init__(self) -> None:
        self._problems: dict[Place, str] = {}
        self._warnings: dict[Place, str] = {}
        self._files: list[str] = []
        self._hidden: dict[str, str] = {}

    def begin(self, file: str) -> None:
        """Note that `file` is read now; problems come out in the order of the files."""
        self._files.append(file)

    def hide(self, value: str, name: str) -> None:
        """Show `name` wherever a message quotes `value`, also cut short; tiny values would only garble words."""
        for quoted in (value, value[:40], value[:100]):
            if len(value) >= HIDDEN_FROM:
                self._hidden[quoted] = self._hidden[repr(quoted)[1:-1]] = name

    def add(self, place: Place, message: str) -> None:
        """Note what is wrong at `place`, unless something already is."""
        self._problems.setdefault(place, message)

    def warn(self, place: Place, message: str) -> None:
        """Note what is doubtful at `place`."""
        self._warnings.setdefault(place, message)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is doubtful, in order."""
        return self._sorted(self._warnings)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self._problems

    def check(self) -> None:
        """Raise all that is wrong, if anything is.

        Raises:
            ConfigError: With every problem found, by file and line.

        """
        if self._problems:
            raise ConfigError(self._sorted(self._problems))

    def _sorted(self, found: dict[Place, str]) -> tuple[Problem, ...]:
        order = {file: number for number, file in enumerate(self._files)}
        places = sorted(found, key=lambda place: (order.get(place.file, len(order)), place.line or 0))
        return tuple(Problem(place.file, place.line, place.key, self._without_values(found[place])) for place in places)

    def _without_values(self, message: str) -> str:
        for value in sorted(self._hidden, key=len, reverse=True):
            message = message.replace(value, self._hidden[value])
        return message


def meant(word: str, known: Iterable[str]) -> str:
    """Say what `word` may have meant, or what there is: the second half of an error message."""
    names = list(known)
    close = difflib.get_close_matches(word[:60], names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = sorted(name if name.isprintable() else ascii(name) for name in names)
    return f"known are: {', '.join(shown)}" if names else "none is defined"
