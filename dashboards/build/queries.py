"""Questions that several dashboards ask, in PromQL.

Label sets are reduced to what is asked for (`max by`, `min by`), so that two monitors of the same farm, or a
workstation that moves from one shard to another, make no line twice and no join fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dashboards.build.looks import EMULATOR, STATUS, Words

HERE: Final = 'workstation=~"$workstation"'
"""The workstations chosen."""
THESE: Final = f'{HERE},emulator=~"$emulator"'
"""The emulators chosen."""
SITE: Final = f"max by (workstation, site) (emuwatch_workstation_info{{{HERE}}})"


def with_status(status: str) -> str:
    """Whether each workstation has this status: 1 or 0."""
    return f'max by (workstation) (emuwatch_workstation_status{{status="{status}",{HERE}}})'


def at_site(each: str) -> str:
    """The same, with the site of each workstation."""
    return f"{each} * on (workstation) group_left (site) {SITE}"


def status() -> str:
    """The status of each workstation as a number of `looks.STATUS`, the worse the higher."""
    return " + ".join(f"{number} * {with_status(word)}" for number, (word, _) in STATUS.items() if number)


def checks(by: str) -> str:
    """The status of each check as a number of `looks.CHECK`; of what fits several, the first counts."""
    asked = f'emuwatch_check_failure_reason{{{HERE},reason="suppressed"}}'
    return " or ".join(
        (
            f"1 * max by ({by}) ({asked})",
            f"1 * max by ({by}) (emuwatch_check_stale{{{HERE}}} == 1)",
            f"3 + min by ({by}) (emuwatch_check_up{{{HERE}}} == 0)",
            f"2 * max by ({by}) (emuwatch_check_failure_reason{{{HERE}}})",
            f"min by ({by}) (emuwatch_check_up{{{HERE}}}) - 1",
        )
    )


def states(chosen: str = HERE) -> str:
    """The state of each emulator as a number of `looks.EMULATOR`."""
    return f"max by (workstation, emulator) ({_coded(EMULATOR, chosen)})"


def not_as_expected(chosen: str = HERE) -> str:
    """Whether each emulator is something else than expected: 1 or 0."""
    return f"1 - min by (workstation, emulator) (emuwatch_emulator_up{{{chosen}}})"


def breakers() -> str:
    """The state of each breaker as a number of `looks.BREAKER`."""
    return f"max by (category, workstation, scope) (emuwatch_breaker_state{{{HERE}}})"


def memory_available() -> str:
    """The part of each workstation's memory that programs may still have."""
    return (
        f"min by (workstation) (emuwatch_workstation_memory_available_bytes{{{HERE}}}"
        f" / emuwatch_workstation_memory_total_bytes{{{HERE}}})"
    )


def commit_available() -> str:
    """The part of memory and page file together that may still be promised to programs."""
    return (
        f"min by (workstation) (emuwatch_workstation_commit_available_bytes{{{HERE}}}"
        f" / emuwatch_workstation_commit_limit_bytes{{{HERE}}})"
    )


def disk_free(by: str) -> str:
    """The part of each volume that is free."""
    return (
        f"min by ({by}) (emuwatch_workstation_disk_free_bytes{{{HERE}}}"
        f" / emuwatch_workstation_disk_size_bytes{{{HERE}}})"
    )


def quantile(part: float, histogram: str, by: Iterable[str] = ()) -> str:
    """A quantile of a histogram, over the last few scrapes."""
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({part}, sum by ({labels}) (rate({histogram}_bucket[$__rate_interval])))"


def runs(outcomes: str, over: str) -> str:
    """How many runs ended so within a time."""
    return f'sum(increase(emuwatch_check_runs_total{{{HERE},outcome=~"{outcomes}"}}[{over}]))'


def _coded(words: Words, chosen: str) -> str:
    return " or ".join(
        f'{number} * emuwatch_emulator_state{{{chosen},state="{word}"}}' for number, (word, _) in words.items()
    )
