"""Login over SSH, and a command that ends as expected.

    ssh: {}
    ssh: {command: [hostname], expect: '^WS-'}

It asks about the transport itself, so it needs a workstation reached over SSH; the port is the transport's.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from monitor.checks import Check, CheckParams, Reach
from monitor.model import Category, Observation, Reason, Target, Verdict
from monitor.transports import Completed

SHOWN = 80
"""Characters of what was printed that are worth a message."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return pattern


class Params(CheckParams):
    """What to run, and what it should come to."""

    command: tuple[str, ...] = Field(default=("echo", "emuwatch"), min_length=1)
    """Program and arguments; the default exists in sh, cmd.exe and PowerShell."""
    exit_code: int = 0
    expect: Annotated[str, AfterValidator(_compiles)] | None = None
    """Regular expression searched in what it prints."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Run the command and compare."""
    completed = await reach.run(params.command)
    code_page = "ascii" if completed.stdout.isascii() else await reach.code_page()
    return judge(completed, params, code_page)


def judge(completed: Completed, params: Params, code_page: str) -> Observation:
    """Say whether a command came to what was expected of it."""
    printed = completed.stdout.decode(code_page, "backslashreplace")
    shown = printed.strip().partition("\n")[0].strip()[:SHOWN]
    facts = {"exit_code": completed.exit_code}
    if completed.exit_code != params.exit_code:
        message = (
            f"{params.command[0]} ended with {completed.exit_code} instead of {params.exit_code}, printed {shown!r}"
        )
        return Observation(verdict=Verdict.DOWN, reason=Reason.COMMAND_FAILED, message=message, facts=facts)
    if params.expect is not None and not re.search(params.expect, printed, re.MULTILINE):
        message = f"{params.command[0]} printed {shown!r}, which does not match {params.expect!r}"
        return Observation(verdict=Verdict.DOWN, reason=Reason.UNEXPECTED, message=message, facts=facts)
    return Observation(message=f"logged in, {params.command[0]} ended with {completed.exit_code}", facts=facts)


CHECK = Check(name="ssh", category=Category.WORKSTATION, params=Params, probe=probe, transport="ssh")
