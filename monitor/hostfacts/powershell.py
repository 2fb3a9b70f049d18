"""A PowerShell script as a command line that survives every shell on the way."""

from __future__ import annotations

import base64
from typing import Final

LIMIT: Final = 8191
"""Characters cmd.exe takes in one line."""

PREAMBLE: Final = (
    "$ProgressPreference=$ErrorActionPreference='SilentlyContinue'\n"
    "[Console]::OutputEncoding=[Text.UTF8Encoding]::new($false)\n"
)
"""Begins every script: no progress records on stderr, UTF-8 on stdout whatever the page of the console."""


def encoded(script: str) -> tuple[str, ...]:
    """The command that runs a script: base64 holds nothing any shell would act on."""
    text = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
    return ("powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", text)


def decoded(text: str) -> str | None:
    """The script behind an ``-EncodedCommand``; None: it is none."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-16-le")
    except ValueError:
        return None


def quoted(word: str) -> str:
    """A word as a PowerShell literal, in which nothing is expanded; its five single quotes are all doubled."""
    return "'" + "".join(sign * 2 if sign in "'\u2018\u2019\u201a\u201b" else sign for sign in word) + "'"
