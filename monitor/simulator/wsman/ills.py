"""What can go wrong with one action of a simulated WinRM service."""

from __future__ import annotations

import enum
from typing import Final

from monitor.simulator.wsman import envelopes


class Ill(enum.StrEnum):
    """What an action comes to instead of an answer."""

    SILENT = "silent"
    """Nothing, until the client goes away."""
    RESET = "reset"
    GARBAGE = "garbage"
    SHELL_LOST = "shell_lost"
    QUOTA_SHELLS = "quota_shells"
    QUOTA_OPERATIONS = "quota_operations"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    """HTTP 404: another web server."""
    UNAVAILABLE = "unavailable"
    """HTTP 503: the service behind HTTP is not up."""
    SLOW = "slow"
    """It is done at once, and answered late."""
    PROGRAM_NOT_FOUND = "program_not_found"
    LINE_TOO_LONG = "line_too_long"


TROUBLES: Final = {
    Ill.SHELL_LOST: envelopes.NO_SHELL,
    Ill.QUOTA_SHELLS: envelopes.TOO_MANY_SHELLS,
    Ill.QUOTA_OPERATIONS: envelopes.TOO_MANY_OPERATIONS,
    Ill.DENIED: envelopes.DENIED,
    Ill.PROGRAM_NOT_FOUND: envelopes.NO_PROGRAM,
    Ill.LINE_TOO_LONG: envelopes.LINE_TOO_LONG,
}
STATUSES: Final = {Ill.NOT_FOUND: 404, Ill.UNAVAILABLE: 503}
