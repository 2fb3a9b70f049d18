"""What a console's listing comes to: that it lists its instances properly, and that the expected ones run.

The one way from a driver of `monitor.emulators` to an observation, for every check that asks a console. The console is
one witness of several: seen from another session of Windows it may call an instance stopped that runs. So every
instance becomes an entity, for whoever hears the other witnesses too.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal, NoReturn, Protocol

from pydantic import BaseModel, ConfigDict, StrictInt

from monitor.durations import Duration, between
from monitor.emulators import Driver, Listing, NoListing, decode, signed_exit
from monitor.errors import ProbeError
from monitor.model import Category, EmulatorRun, Entity, Observation, Platform, Reason, Severity, Target, Verdict
from monitor.transports import Completed

SHOWN: Final = 80
"""Characters of a stray line that are worth a message."""
NAMED: Final = 10
"""Instances a message names; the others are counted."""
NOT_STARTED: Final = {Platform.LINUX: {126, 127}, Platform.WINDOWS: {9009, 9009 & 0xFF}}
"""Exit codes by which a shell says that there is no such program (SSH tells the low eight bits)."""
CMD_FAILED: Final = 1
"""How ``cmd /c`` ends when it can't start a program; it says why on stderr, where no console writes."""


Which = StrictInt | str
"""An index, or a title with ``*``, ``?`` and ``[...]``."""


class Expectation(BaseModel):
    """What is expected of the instances a pattern names; of several that name one, the first counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emulator: Which
    state: Literal["running", "stopped", "any"]


class Expected(BaseModel):
    """What a console should list; a part of the parameters of its check."""

    expect: tuple[Expectation, ...] = ()
    """Per emulator, the first that fits counts: running, stopped or any."""
    expect_running: tuple[Which, ...] = ()
    """Short for ``expect``: the instances that should run, after those named there."""
    exact: bool = False
    """Short for a last ``{emulator: "*", state: stopped}``: an instance that runs unasked is worth a remark."""
    boot_limit: Annotated[Duration, between(1.0, 3600.0)] = 240.0
    """How long a start may take before it counts as stuck."""

    def of(self, entity: Entity) -> bool | None:
        """Whether an instance should run; None: nobody said."""
        for rule in self.expect:
            if _matches(entity, rule.emulator):
                return {"running": True, "stopped": False, "any": None}[rule.state]
        if any(_matches(entity, which) for which in self.expect_running):
            return True
        return False if self.exact else None

    @property
    def wanted(self) -> tuple[Which, ...]:
        """All that is named to run; one that names no instance is a fault of its own."""
        return (*(rule.emulator for rule in self.expect if rule.state == "running"), *self.expect_running)


class Shell(Protocol):
    """What asking a console needs of a `monitor.checks.Reach`."""

    async def run(self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION) -> Completed:
        """Run a command on the workstation."""

    async def code_page(self) -> str:
        """Return the code page of the workstation."""


async def ask(target: Target, driver: Driver, program: str, expected: Expected, shell: Shell) -> Observation:
    """List the instances and compare.

    Raises:
        ProbeError: EXTERNAL: no such program, usage text, nothing but garbage, or a failure.
        LocalError: The driver knows no way to ask on this platform.

    """
    completed = await shell.run(driver.argv(program, target.workstation.platform), layer=Category.EXTERNAL)
    code_page = "ascii" if completed.stdout.isascii() else await shell.code_page()
    where = f"{target.workstation.id} {program}"
    return judge(answered(completed, target.workstation.platform, driver, where, code_page), expected)


def answered(completed: Completed, platform: Platform, driver: Driver, where: str, code_page: str) -> Listing:
    """Read the listing, or say why this is none."""
    told = signed_exit(completed.exit_code)
    if not_started(completed, platform):
        why = decode(completed.stderr.strip(), "ascii").partition("\n")[0].strip()[:SHOWN]
        _fail(f"{where}: could not be started (exit code {told}): {why!r}", Reason.NOT_INSTALLED, recoverable=False)
    listing = driver.parse(completed.stdout, told, code_page)
    if isinstance(listing, NoListing):
        _fail(f"{where}: {listing.words}", listing.reason)
    if not listing.entities and listing.rejected:
        _fail(f"{where}: no line of {len(listing.rejected)} is a row, first: {_shown(listing)}", Reason.PROTOCOL)
    return listing


def judge(listing: Listing, expected: Expected) -> Observation:
    """Say whether the expected instances run and whether the listing is sound."""
    by_id = {entity.id: entity for entity in reversed(listing.entities)}
    rows = sorted(by_id.values(), key=lambda entity: entity.index)
    down, starting = _unmet(rows, expected)
    unsound = _unsound(listing)
    asides = [*unsound, *_uninvited(rows, expected)]
    verdict, reason = Verdict.UP, None
    if asides or starting:
        verdict, reason = Verdict.DEGRADED, Reason.UNEXPECTED if starting or not unsound else Reason.PROTOCOL
    if down:
        verdict, reason = Verdict.DOWN, Reason.UNEXPECTED
    count = Counter(entity.run for entity in rows)
    counted = f"{count[EmulatorRun.RUNNING]} of {len(rows)} running"
    return Observation(
        verdict=verdict,
        reason=reason,
        message="; ".join([*_few([*down, *starting]), *asides]) or counted,
        facts={"instances": len(rows), **{f"instances_{run}": count[run] for run in EmulatorRun}},
        entities=tuple(
            replace(entity, expected=expected.of(entity), boot_limit=expected.boot_limit) for entity in rows
        ),
    )


def _unmet(rows: Sequence[Entity], expected: Expected) -> tuple[list[str], list[str]]:
    """Name what should run and does not: what is down, and what is on its way."""
    wanted = [row for row in rows if expected.of(row)]
    absent = [each for each in expected.wanted if not any(_matches(row, each) for row in rows)]
    down = [_named(row) for row in wanted if row.run not in {EmulatorRun.RUNNING, EmulatorRun.STARTING}]
    down += [f"no instance {each}" if isinstance(each, int) else f"no instance is called {each!r}" for each in absent]
    return down, [_named(row) for row in wanted if row.run is EmulatorRun.STARTING]


def _unsound(listing: Listing) -> list[str]:
    """Name what is wrong with the listing itself."""
    times = Counter(entity.key or f"index {entity.index}" for entity in listing.entities)
    asides = [f"{name} listed {count} times" for name, count in times.items() if count > 1]
    if listing.rejected:
        asides.append(f"{len(listing.rejected)} lines are no rows, first: {_shown(listing)}")
    return asides


def _uninvited(rows: Sequence[Entity], expected: Expected) -> list[str]:
    """Name what runs though nobody expects it."""
    strangers = [row for row in rows if row.run is not EmulatorRun.STOPPED and expected.of(row) is False]
    return _few([f"{_named(row)} unasked" for row in strangers])


def _matches(entity: Entity, expected: Which) -> bool:
    if isinstance(expected, int):
        return not entity.key and entity.index == expected
    return any(fnmatch.fnmatchcase(name, expected) for name in {entity.title, entity.key or entity.title})


def _named(entity: Entity) -> str:
    return f"{entity.title or entity.key or entity.index} {entity.run}"


def _few(names: list[str]) -> list[str]:
    """Cut a list that would make a message nobody reads."""
    return names if len(names) <= NAMED else [*names[:NAMED], f"and {len(names) - NAMED} more"]


def _shown(listing: Listing) -> str:
    return repr(listing.rejected[0][:SHOWN])


def not_started(completed: Completed, platform: Platform) -> bool:
    """Tell whether a shell says that there is no such program, so that none answered."""
    if completed.exit_code in NOT_STARTED[platform]:
        return not completed.stdout
    failed = platform is Platform.WINDOWS and completed.exit_code == CMD_FAILED
    return failed and not completed.stdout and bool(completed.stderr)


def _fail(message: str, reason: Reason, *, recoverable: bool = True) -> NoReturn:
    raise ProbeError(
        message, category=Category.EXTERNAL, severity=Severity.HIGH, reason=reason, recoverable=recoverable
    )
