"""Login over SSH, and a command that ends as expected.

    ssh: {}
    ssh: {command: [hostname], expect: '^WS-'}

It asks about the transport itself, so it needs a workstation reached over SSH; the port is the transport's.
"""

from __future__ import annotations

from pydantic import Field

from monitor.checks import Check, CheckParams, Reach
from monitor.model import Category, Observation, Reason, Target, Verdict
from monitor.pattern import Pattern, aside, found
from monitor.transports import Completed

SHOWN = 80
"""Characters of what was printed that are worth a message."""


class Params(CheckParams):
    """What to run, and what it should come to."""

    command: tuple[str, ...] = Field(default=("echo", "emuwatch"), min_length=1)
    """Program and arguments; the default exists in sh, cmd.exe and PowerShell."""
    exit_code: int = 0
    expect: Pattern | None = None
    """Regular expression searched in what it prints, with ``^`` and ``$`` for the ends of a line."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Run the command and compare."""
    completed = await reach.run(params.command)
    code_page = "ascii" if completed.stdout.isascii() else await reach.code_page()
    return await aside(lambda: judge(completed, params, code_page), len(completed.stdout))


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
    if params.expect is not None and not found(params.expect, printed):
        message = f"{params.command[0]} printed {shown!r}, which does not match {params.expect!r}"
        return Observation(verdict=Verdict.DOWN, reason=Reason.UNEXPECTED, message=message, facts=facts)
    return Observation(message=f"logged in, {params.command[0]} ended with {completed.exit_code}", facts=facts)


CHECK = Check(name="ssh", category=Category.WORKSTATION, params=Params, probe=probe, transport="ssh")
