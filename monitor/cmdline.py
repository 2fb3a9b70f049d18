"""One line of text for the workstation's shell, from a program and its arguments."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from typing import Final

from monitor.errors import LocalError
from monitor.model import Platform

BACKSLASH: Final = chr(92)


def command_line(platform: Platform, argv: Sequence[str]) -> str:
    """Quote a command for the workstation's shell: sh, or cmd.exe as OpenSSH for Windows and WinRM run it.

    Either server puts the line between quotes of its own and cmd.exe takes those away again, so none are added here. In
    the program's own place ``%ProgramFiles%`` means what it means on the host; in an argument nothing is expanded.

    Raises:
        LocalError: An argument holds what no command line can.

    """
    windows = platform is Platform.WINDOWS
    if any(sign in word for word in argv for sign in ("\0\r\n" if windows else "\0")):
        raise LocalError(f"a command holds a line end or a NUL: {argv!r}")
    if not windows:
        return shlex.join(argv)
    program, *arguments = argv
    return " ".join([_quoted(program), *map(_argument, arguments)])


def _quoted(word: str) -> str:
    """Quote as Windows programs unquote, and so that cmd.exe sees no operator in it."""
    if any(sign in word for sign in "&|<>()^;,=@!") and not any(sign in word for sign in " \t"):
        return f'"{word}{word[len(word.rstrip(BACKSLASH)) :]}"'
    return subprocess.list2cmdline([word])


def _argument(word: str) -> str:
    """Quote an argument; one with a quote or a percent sign gets a caret before each sign cmd.exe would act on."""
    if not any(sign in word for sign in '%"'):
        return _quoted(word)
    return "".join(f"^{sign}" if sign in '()%!^"<>&|' else sign for sign in subprocess.list2cmdline([word]))
