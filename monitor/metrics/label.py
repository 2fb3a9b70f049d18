"""Words as label values: cleaned of what no tool can show, cut to a length, and kept apart where they are identities.

Titles and other words from hosts become label values here, and here only: control characters and halves of surrogate
pairs would break an exposition or the tools behind it, so they are replaced.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Final

Labels = Mapping[str, str]

LONGEST: Final = 200
"""Characters of a label value; longer words of a host are cut."""
_MARK: Final = 8
"""Hexadecimal digits that tell changed identities apart."""


def clean(word: str) -> str:
    """Return a word as a label value that no parser stumbles over."""
    if not word.isprintable():
        word = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in word)
    return word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…"


def identity(word: str) -> str:
    """Return a word that tells series apart as a label value that still does: one that had to be changed is marked."""
    cleaned = clean(word)
    if cleaned == word:
        return word
    mark = hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK]
    return f"{cleaned[: LONGEST - _MARK - 1]}~{mark}"


def cleaned(labels: Labels) -> dict[str, str]:
    """Return labels of the config as label values."""
    return {name: clean(value) for name, value in labels.items()}


def escaped(value: str) -> str:
    """Write a label value as it stands between its quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
