"""What the command line prints: titles, greetings and errors come from hosts, and must not steer the terminal.

Every sign a terminal obeys or that turns the writing direction becomes a replacement character, in one place for all
commands. Logs have their own way (`monitor.log`), and so do the files a discovery writes.
"""

from __future__ import annotations

import re
from typing import Final

import typer
from rich.text import Text

STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: escape sequences begin with one of them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the writing direction
    "\u2028\u2029\ud800-\udfff]"  # separators of lines; halves of characters, which can't be encoded
)
_WITHIN_LINES: Final = re.compile(f"(?![\n\t]){STEERING.pattern}")


def clean(words: str, *, lines: bool = False) -> str:
    """Take out of words what would steer a terminal; line breaks and tabs too, unless they are `lines` of ours."""
    return (_WITHIN_LINES if lines else STEERING).sub("\N{REPLACEMENT CHARACTER}", words)


def cell(words: object, style: str = "") -> Text:
    """Make words ready for a table: plain, on one line, no markup."""
    return Text(clean(str(words)), style=style)


def say(message: object, *, err: bool = False) -> None:
    """Print a message, which may have several lines, to stdout or stderr."""
    typer.echo(clean(str(message), lines=True), err=err)
