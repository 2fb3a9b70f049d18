"""The WinRM shell opens and answers.

    {kind: winrm}
    {kind: winrm, command: [hostname], expect: "^WS-", certificate_days: 14}

It asks about the transport itself, so it needs a workstation reached over WinRM; the port is the transport's.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from monitor.checks import Check, CheckParams, Reach
from monitor.model import Category, Observation, Reason, Target, Verdict
from monitor.pattern import Pattern, aside, found
from monitor.transports import Completed

SHOWN: Final = 80
"""Characters of what was printed that are worth a message."""
CERTIFICATE: Final = "certificate_end_timestamp_seconds"
_DAY: Final = 86400.0


class Params(CheckParams):
    """What to run, and what it should come to."""

    command: tuple[str, ...] = Field(default=("echo", "emuwatch"), min_length=1)
    """Program and arguments."""
    exit_code: int = 0
    expect: Pattern | None = None
    """Regular expression searched in what it prints, with ``^`` and ``$`` for the ends of a line."""
    certificate_days: float | None = Field(default=None, ge=0)
    """Days the service's certificate must still be valid, else the check is degraded; only with HTTPS."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Run the command and compare."""
    completed = await reach.run(params.command)
    code_page = "ascii" if completed.stdout.isascii() else await reach.code_page()
    now = reach.now()
    return await aside(lambda: judge(completed, params, code_page, now), len(completed.stdout))


def judge(completed: Completed, params: Params, code_page: str, now: float) -> Observation:
    """Say whether a command came to what was expected of it, and the certificate is valid for long enough."""
    printed = completed.stdout.decode(code_page, "backslashreplace")
    shown = printed.strip().partition("\n")[0].strip()[:SHOWN]
    facts = {"exit_code": completed.exit_code}
    program = params.command[0]
    if completed.exit_code != params.exit_code:
        message = f"{program} ended with {completed.exit_code} instead of {params.exit_code}, printed {shown!r}"
        return Observation(verdict=Verdict.DOWN, reason=Reason.COMMAND_FAILED, message=message, facts=facts)
    if params.expect is not None and not found(params.expect, printed):
        message = f"{program} printed {shown!r}, which does not match {params.expect!r}"
        return Observation(verdict=Verdict.DOWN, reason=Reason.UNEXPECTED, message=message, facts=facts)
    message = f"the shell opened, {program} ended with {completed.exit_code}"
    end = completed.facts.get(CERTIFICATE)
    left = None if end is None else (float(end) - now) / _DAY
    if left is not None and params.certificate_days is not None and left < params.certificate_days:
        message = f"{message}; the certificate ends in {left:.1f} days"
        return Observation(verdict=Verdict.DEGRADED, reason=Reason.THRESHOLD, message=message, facts=facts)
    return Observation(message=message, facts=facts)


CHECK = Check(name="winrm", category=Category.WORKSTATION, params=Params, probe=probe, transport="winrm")
