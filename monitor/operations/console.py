"""LDPlayer's console, asked over the way to its workstation: any command, the instances, and which one is meant.

Its exit codes decide nothing here: they are a new index after ``add``, 0 after many a failure, and cut to eight bits
by some transports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.dispatch import LayeredReach
from monitor.emulators import decode, signed_exit
from monitor.emulators.ldplayer import DRIVER, NAME, Instance, is_missing, parse_banner, parse_list2
from monitor.errors import ProbeError
from monitor.listing import answered, not_started
from monitor.model import Category, Reason
from monitor.operations.outcome import OperationError
from monitor.operations.way import Way
from monitor.transports import Completed

_SURE: Final = frozenset({"list", "list2", "runninglist"})
"""Commands every build knows and that name no instance: usage text in answer to them is the console's own trouble."""
_ID: Final = re.compile(rf"(?:{NAME}:)?([0-9]{{1,9}})")
_LONGEST_TITLE: Final = 60
_SHOWN: Final = 12
_NO_TITLE: Final = frozenset("\"'`^%!&|<>")
"""Signs that some shell or the console's own reader of command lines would act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the console answered to a command."""

    text: str
    """Decoded by the host's code page, line ends as they came."""
    exit_code: int
    """As a signed number. Over SSH it is the low eight bits; after ``add`` and ``copy`` it is the new index."""
    raw: bytes


class Console:
    """The console of one workstation."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.program = way.params.console

    async def command(self, *args: str) -> Answer:
        """Run the console with these arguments.

        Raises:
            OperationError: It says that it has no such player, or prints its usage text.
            ProbeError: It did not answer, or can't be started.

        """
        if not args:
            raise OperationError(f"{self.program}: name a command, e.g. list2")

        async def ask(reach: LayeredReach) -> Answer:
            completed = await reach.run([self.program, *args], layer=Category.EXTERNAL)
            self._refuse_misfire(completed, args[0])
            code_page = "ascii" if completed.stdout.isascii() else await reach.code_page()
            return Answer(
                text=decode(completed.stdout, code_page),
                exit_code=signed_exit(completed.exit_code),
                raw=completed.stdout,
            )

        return await self._way.along(Category.EXTERNAL, ask)

    async def instances(self) -> tuple[Instance, ...]:
        """List the instances, each index once."""

        async def ask(reach: LayeredReach) -> tuple[Instance, ...]:
            completed = await reach.run([self.program, "list2"], layer=Category.EXTERNAL)
            code_page = "ascii" if completed.stdout.isascii() else await reach.code_page()
            machine = self._way.machine
            answered(completed, machine.platform, DRIVER, f"{machine.id} {self.program}", code_page)
            first = {row.index: row for row in reversed(parse_list2(completed.stdout, code_page).instances)}
            return tuple(first[index] for index in sorted(first))

        return await self._way.along(Category.EXTERNAL, ask)

    async def check_title(self, title: str) -> None:
        """Make sure that a title can be given, and will be listed as it was given.

        Raises:
            OperationError: It can't be, or the console has no letters for it: its output is in the host's code page.

        """
        check_title(title)
        if title.isascii():
            return
        code_page = await self._way.along(Category.WORKSTATION, lambda reach: reach.code_page())
        try:
            title.encode(code_page)
        except UnicodeEncodeError:
            message = f"{self._way.machine.id}: its code page ({code_page}) has no letters for the title {title!r}"
            raise OperationError(message) from None

    def _refuse_misfire(self, completed: Completed, command: str) -> None:
        """Tell what is no answer to the command from what is one."""
        where = f"{self._way.machine.id} {self.program}"
        if not_started(completed, self._way.machine.platform):
            raise ProbeError(
                f"{where}: could not be started (exit code {signed_exit(completed.exit_code)})",
                category=Category.EXTERNAL,
                reason=Reason.NOT_INSTALLED,
                recoverable=False,
            )
        if is_missing(completed.stdout):
            raise OperationError(f"{where} {command}: there is no such player")
        if parse_banner(completed.stdout) is None:
            return
        if command in _SURE:
            message = f"{where}: printed its usage text in answer to {command}"
            raise ProbeError(message, category=Category.EXTERNAL, reason=Reason.PROTOCOL)
        raise OperationError(f"{where}: printed its usage text: it knows no {command!r}, or no such player")


def find(rows: Iterable[Instance], emulator: int | str) -> Instance:
    """Find the instance that is meant: by index (3, ``3``, ``ldplayer:3``) or by its exact title.

    Raises:
        OperationError: There is none, or several have the title.

    """
    rows = tuple(rows)
    if isinstance(emulator, bool) or not isinstance(emulator, (int, str)):
        raise OperationError(f"an emulator is named by index or title, not by {emulator!r}")
    number = _ID.fullmatch(str(emulator))
    if number is not None:
        named = [row for row in rows if row.index == int(number[1])]
        if named:
            return named[0]
    titled = [row for row in rows if row.title == emulator]
    if len(titled) > 1:
        indexes = ", ".join(f"{NAME}:{row.index}" for row in titled)
        raise OperationError(f"several emulators are called {emulator!r}: name one of {indexes}")
    if not titled:
        known = [f"{NAME}:{row.index} {row.title!r}" for row in rows[:_SHOWN]]
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        raise OperationError(f"there is no emulator {emulator!r}; there are {', '.join(known)}{more}")
    return titled[0]


def check_title(title: str) -> str:
    """Return a title that can be given to an instance.

    Raises:
        OperationError: The console, or a shell on the way to it, would take it for something else.

    """
    if not title.strip() or title != title.strip() or len(title) > _LONGEST_TITLE:
        raise OperationError(f"a title has 1 to {_LONGEST_TITLE} characters and no blanks around it, not {title!r}")
    if not title.isprintable():
        raise OperationError(f"a title holds no line ends and no control characters: {title!r}")
    if found := sorted(_NO_TITLE.intersection(title)):
        raise OperationError(f"a title holds none of {' '.join(found)}: {title!r}")
    if title.startswith("-"):
        raise OperationError(
            f"a title does not begin with a hyphen, the console would take it for an option: {title!r}"
        )
    if _ID.fullmatch(title):
        raise OperationError(f"a title is no number, it could not be told from an index: {title!r}")
    return title
