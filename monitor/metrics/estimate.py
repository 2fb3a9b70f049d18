"""How many series a config makes; ``python -m monitor.metrics.estimate`` prints the formula in the README.

An upper bound: what is absent for now (a reason while all is well, a last trip before the first) counts as there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Final

from monitor.config import Config
from monitor.metrics import DURATIONS, LATENESS, MONITOR, SINKS, SOURCES, TOLD
from monitor.metrics import catalogue as names
from monitor.metrics.catalogue import FACTS, Metric
from monitor.metrics.series import BREAKERS, CHECKS, EMULATORS, HOSTS, WORKSTATIONS, Kind
from monitor.model import Category, Key, Target, TransportSpec, Workstation
from monitor.silences import Purpose

EMULATORS_EACH: Final = 6
"""Emulators assumed on each workstation whose console is asked."""
VOLUMES: Final = 2
"""Volumes assumed on each workstation that is asked about itself."""
FIGURES: Final = {"http": 2, "icmp": 2}
"""How many of `catalogue.FACTS` a check of a kind tells; others tell what their transport learns on the way."""
_TLS: Final = "winrm"
"""The transport that may be shown a certificate, and tells when it ends."""
_HOST: Final = "host"
"""The kind of check that asks a workstation about itself."""
_HISTOGRAM: Final = 3
"""Series of a histogram beside its buckets: ``+Inf``, sum, count."""
_VALUES: Final = {
    "outcome": len(TOLD),
    "purpose": len(Purpose),
    "sink": len(SINKS),
    "source": len(SOURCES),
    "version": 1,
    "python_version": 1,
}
"""How many values each label of the monitor's own series has; `kind` and `channel` have those of the config."""
_BY_CONFIG: Final = {"kind", "channel"}
_BUCKETS: Final = {names.CHECK_DURATION: DURATIONS, names.LATENESS: LATENESS}


def _count(kind: Kind, *shape: object) -> int:
    return sum(len(column.labels) for column in kind.columns(*shape))


def _own(label: str = "") -> int:
    """Count the monitor's own series for each value of a label of the config; those without one, if none is named."""
    wanted = {label} - {""}
    return sum(map(_series, [metric for metric in MONITOR if _BY_CONFIG.intersection(metric.labels) == wanted]))


def _series(metric: Metric) -> int:
    if metric in _BUCKETS:
        return len(_BUCKETS[metric]) + _HISTOGRAM
    return math.prod(_VALUES[label] for label in metric.labels if label not in _BY_CONFIG)


_WHERE: Final = Workstation(id="w", host="h", transport=TransportSpec("t", None))
_WHAT: Final = Target(workstation=_WHERE, name="c", kind="k", params=None, path=(), interval=1.0, timeout=1.0)

MONITOR_SERIES: Final = _own()
KIND_SERIES: Final = _own("kind")
CHANNEL_SERIES: Final = _own("channel")
BREAKER_SERIES: Final = _count(BREAKERS, Key(Category.NETWORK, "w", "s"))
CHECK_SERIES: Final = _count(CHECKS, _WHAT) - len(FACTS) - 1
STATE_SERIES: Final = len(WORKSTATIONS.columns(_WHERE)[-1].labels)
"""Emulators by state."""
WORKSTATION_SERIES: Final = _count(WORKSTATIONS, _WHERE) - STATE_SERIES
EMULATOR_SERIES: Final = _count(EMULATORS, "w", "e", "d", 0, "")
HOST_SERIES: Final = _count(HOSTS, "w", ())
VOLUME_SERIES: Final = _count(HOSTS, "w", ("v",)) - HOST_SERIES


def estimate(config: Config, *, emulators: int = EMULATORS_EACH, volumes: int = VOLUMES) -> int:
    """Count the series of a config, at most.

    Args:
        config: What is watched.
        emulators: How many there are on each workstation whose console is asked.
        volumes: How many there are on each workstation with a ``host`` check.

    """
    by_workstation: dict[str, list[Target]] = {workstation.id: [] for workstation in config.workstations}
    for target in config.targets:
        by_workstation.setdefault(target.workstation.id, []).append(target)
    farm = sum(_workstation(targets, emulators, volumes) for targets in by_workstation.values())
    kinds, channels = len({target.kind for target in config.targets}), len(config.notifications.channels)
    return MONITOR_SERIES + KIND_SERIES * kinds + CHANNEL_SERIES * channels + farm


def words(config: Config) -> str:
    """Say how many series there will be about, for people: three digits are enough."""
    number = estimate(config)
    about = round(number, 3 - len(str(number)))
    asked = any(map(_lists, config.targets))
    return f"about {about:,} series" + (f" with {EMULATORS_EACH} emulators on each workstation" if asked else "")


def formula() -> str:
    """Write how `estimate` counts, for the README, without a line break at the end."""
    return "\n".join(
        [
            "```",
            f"{MONITOR_SERIES} + {KIND_SERIES} x kinds of check used + {CHANNEL_SERIES} x channels",
            f"+ for each workstation   {WORKSTATION_SERIES} + {CHECK_SERIES} x checks + {BREAKER_SERIES} x breakers",
            f"    if a console is asked  + {STATE_SERIES} + {EMULATOR_SERIES} x emulators",
            f"    if it has a host check + {HOST_SERIES} + {VOLUME_SERIES} x volumes",
            f"+ for each check         {_figures()}, 1 more if it has labels",
            "```",
        ]
    )


def _figures() -> str:
    own = ", ".join(f"{number} more if {kind}" for kind, number in sorted(FIGURES.items()))
    return f"{own}, 1 more if over WinRM"


def _workstation(targets: Iterable[Target], emulators: int, volumes: int) -> int:
    plain = [target for target in targets if not target.each]
    patterns = [target for target in targets if target.each]
    consoles = any(map(_lists, plain))
    guests = emulators if consoles else 0
    keys = {key for target in plain for key in target.path}
    if guests:
        keys |= {key for target in patterns for key in target.path[:-1]}
    own = {target.path[-1].category for target in patterns}
    checks = sum(map(_check, plain)) + guests * sum(map(_check, patterns))
    series = WORKSTATION_SERIES + checks + BREAKER_SERIES * (len(keys) + guests * len(own))
    if consoles:
        series += STATE_SERIES + EMULATOR_SERIES * guests
    if any(target.kind == _HOST for target in plain):
        series += HOST_SERIES + VOLUME_SERIES * volumes
    return series


def _lists(target: Target) -> bool:
    """Whether a check asks a console, which lists emulators."""
    return bool(target.path) and target.path[-1].category is Category.EXTERNAL and target.kind != _HOST


def _check(target: Target) -> int:
    shown = any(key.category is Category.WORKSTATION and key.scope == _TLS for key in target.path)
    return CHECK_SERIES + FIGURES.get(target.kind, 0) + shown + bool(target.labels)


if __name__ == "__main__":
    sys.stdout.write(formula() + "\n")
