"""From which values on something is not well: the same as in ``alerts/rules``, which a test compares.

A limit without an alert of its own says so. Colours are made of them in `looks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One or two values beyond which a figure is yellow, then red."""

    alert: str | None
    """The alert whose rule holds these values; None: nobody is alerted."""
    of: str = ""
    """Words of what the rule compares with them, to tell it from what else it compares."""
    warning: float | None = None
    critical: float | None = None
    below: bool = False
    """Whether less is worse."""


DAY: Final = 86400.0

DISK_FREE: Final = Limit(
    alert="DiskWillFill", of="emuwatch_workstation_disk_size_bytes", warning=0.2, critical=0.05, below=True
)
MEMORY_AVAILABLE: Final = Limit(
    alert="MemoryLow", of="emuwatch_workstation_memory_available_bytes", critical=0.05, below=True
)
CERTIFICATE: Final = Limit(
    alert="CertificateEnds",
    of="emuwatch_certificate_end_timestamp_seconds",
    warning=14 * DAY,
    critical=2 * DAY,
    below=True,
)
LATENCY: Final = Limit(alert="CheckLatencyHigh", of="emuwatch_check_last_duration_seconds", warning=2.0)
TRIPS: Final = Limit(alert="BreakerFlapping", of="emuwatch_breaker_trips_total", warning=3.5)
LATENESS: Final = Limit(alert="EmuwatchLate", of="emuwatch_schedule_lateness_seconds_bucket", warning=5.0)
STORE_PENDING: Final = Limit(alert="EmuwatchForgets", of="emuwatch_store_pending", warning=1000.0)
SITE_DOWN: Final = Limit(alert="WorkstationUnreachableSite", of="avg without (workstation)", critical=0.5)
LOOP_LAG: Final = Limit(alert=None, warning=0.25, critical=1.0)
"""From one second on, timeouts are held to be our own fault and count against nobody."""
CUT_OFF: Final = Limit(alert=None, critical=1.0)
"""A state, no limit: EmuwatchIsolated asks for exactly 1."""
CPU: Final = Limit(alert=None, warning=0.85, critical=0.95)
LOSS: Final = Limit(alert=None, warning=0.05, critical=0.5)
BOOT: Final = Limit(alert=None, warning=0.75, critical=1.0)
"""Part of a boot's limit; beyond it the emulator's state says so, and is alerted."""
ANY: Final = Limit(alert=None, critical=1.0)
"""One is too many."""
SOME: Final = Limit(alert=None, warning=1.0)
"""One is worth a look."""

ALL: Final = tuple(value for value in list(globals().values()) if isinstance(value, Limit))
