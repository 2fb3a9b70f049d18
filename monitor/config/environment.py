"""``${NAME}`` in a text value stands for a variable of the environment, ``$$`` for a dollar sign.

Any other ``$`` stands for itself, so ``^ok$`` needs no care.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.config.problems import Place, Report, meant

_DOLLAR: Final = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Expanded(str):
    """A text with variables filled in. It may be a secret: its repr, and every message, shows `raw`, as written."""

    raw: str
    values: tuple[tuple[str, str], ...]
    """The variables used, as written (``${NAME}``), with their values."""

    __slots__ = ("raw", "values")

    def __repr__(self) -> str:
        return repr(self.raw)

    @property
    def whole(self) -> bool:
        """Whether it is one variable and nothing else."""
        return _WHOLE.fullmatch(self.raw) is not None

    def hide(self, message: str) -> str:
        """Put the variables' names in a message where their values stand."""
        for name, value in self.values:
            if value and value in message.replace(name, ""):
                message = name.join(part.replace(value, name) for part in message.split(name))
        return message


def expand(text: str, environ: Mapping[str, str], report: Report, place: Place) -> str:
    """Fill in the variables of `text`; a missing one is a problem at `place`."""
    used: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1]
        if name is None or not _NAME.fullmatch(name):
            report.add(place, "a variable is written ${NAME}; write $${ for the characters themselves")
            return match[0]
        if name not in environ:
            close = meant(name, environ)
            hint = f"; {close}" if close.startswith("did you") else ""
            report.add(place, f"the environment variable {name} is not set{hint}")
        used[match[0]] = environ.get(name, "")
        report.hide(used[match[0]], match[0])
        return used[match[0]]

    expanded = Expanded(_DOLLAR.sub(fill, text))
    expanded.raw = text
    expanded.values = tuple(used.items())
    return expanded
