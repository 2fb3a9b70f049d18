"""What can be done to workstations and emulators, guarded by breakers and verified by its effect.

`Workstation` blocks and needs no event loop; `LDPlayerManager` is for callers that have one. Both share the breakers
they are given. `Done` says what was seen; `OperationError` that nothing was done; `ProbeError` which layer failed.
"""

from __future__ import annotations

from monitor.operations.announce import Announcement
from monitor.operations.console import Answer
from monitor.operations.equipment import Equipment
from monitor.operations.manager import LDPlayerManager
from monitor.operations.outcome import Deadlines, Done, NobodyLoggedOnError, OperationError, Seen
from monitor.operations.workstation import Workstation

__all__ = [
    "Announcement",
    "Answer",
    "Deadlines",
    "Done",
    "Equipment",
    "LDPlayerManager",
    "NobodyLoggedOnError",
    "OperationError",
    "Seen",
    "Workstation",
]
