"""The sessions of a simulated Windows: who is logged on, what the task scheduler runs there, and what needs a desktop.

Also the commands of the console that change which instances there are. Answers are those measured on real ones: ``add``
and ``copy`` exit with the new index and print nothing, a copy beside another one exits with 3, and what is started
without a desktop exits with 0 and does nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.simulator.console import NO_PLAYER, Answer, Console
from monitor.simulator.guest import Guest

COPY_BUSY: Final = 3
RUNS: Final = 2**32 - 617
"""How ``remove`` ends when the instance runs."""

_DENIED: Final = "ERROR: Access is denied.\r\n"
_NO_TASK: Final = "ERROR: The system cannot find the file specified.\r\n"
_NO_EXPLORER: Final = "INFO: No tasks are running which match the specified criteria.\r\n"


@dataclass(frozen=True, slots=True)
class Task:
    """What the task scheduler was told to run, and as whom; empty: as whoever told it."""

    action: str
    user: str


class Desktop:
    """The interactive session of a workstation, and all that depends on whether there is one.

    Args:
        console: The command line of the workstation; learns the commands of this class.
        guests: Its instances; changed by ``add``, ``copy`` and ``remove``.
        make: Makes an instance, with its port, powered on and stopped.
        drop: Takes care of an instance that was removed.

    """

    def __init__(
        self,
        console: Console,
        guests: MutableSequence[Guest],
        *,
        make: Callable[[int, str], Guest],
        drop: Callable[[Guest], None],
    ) -> None:
        self.login = rf"{console.name}\operator".upper()
        """Who logs in over the network."""
        self.user: str | None = self.login
        """Who is logged on at the desktop."""
        self.isolated = False
        """Whether what comes over the network runs in session 0, as on a real Windows."""
        self.copying = False
        """Whether a copy is under way."""
        self.refuses_tasks = False
        self.tasks: dict[str, Task] = {}
        self.deaf = False
        """Whether the console does nothing it is told to, and says nothing of it."""
        self._console = console
        self._guests = guests
        self._make = make
        self._drop = drop
        self._at_desktop = False
        console.programs.update(
            {
                "schtasks": self._schtasks,
                "tasklist": self._tasklist,
                "netstat": self._netstat,
                "whoami": lambda _: Answer(f"{self.login.lower()}\r\n"),
            }
        )
        console.commands.update(
            {
                "launch": self._needs_desktop,
                "quit": self._needs_desktop,
                "add": self._add,
                "copy": self._copy,
                "remove": self._remove,
                "rename": self._rename,
            }
        )

    # ------------------------------------------------------------------------------------------------- ldconsole
    def _needs_desktop(self, options: Sequence[str]) -> Answer | None:
        """Do nothing where there is no desktop; elsewhere leave it to the console."""
        return Answer() if self.deaf or (self.isolated and not self._at_desktop) else None

    def _add(self, options: Sequence[str]) -> Answer:
        return self._create(_options(options).get("--name", ""))

    def _copy(self, options: Sequence[str]) -> Answer:
        given = _options(options)
        source = self._console.find(given.get("--from", ""))
        if source is None:
            return Answer("player don't exist!")
        return Answer(exit_code=COPY_BUSY) if self.copying else self._create(given.get("--name", source.title))

    def _create(self, title: str) -> Answer:
        taken = {guest.index for guest in self._guests}
        index = next(index for index in itertools.count() if index not in taken)
        if not self.deaf:
            self._guests.append(self._make(index, title or f"LDPlayer-{index}"))
        return Answer(exit_code=index)

    def _remove(self, options: Sequence[str]) -> Answer:
        guest = self._console.find(_options(options).get("--index", ""))
        if guest is None:
            return Answer("player don't exist!", NO_PLAYER)
        if guest.claims():
            return Answer(exit_code=RUNS)
        if not self.deaf:
            self._guests.remove(guest)
            self._drop(guest)
        return Answer()

    def _rename(self, options: Sequence[str]) -> Answer:
        given = _options(options)
        guest = self._console.find(given.get("--index", ""))
        if guest is None:
            return Answer("player don't exist!", NO_PLAYER)
        if not self.deaf:
            guest.title = given.get("--title", guest.title)
        return Answer()

    # ------------------------------------------------------------------------------------------------- Windows
    def _schtasks(self, words: Sequence[str]) -> Answer:
        given = _options(words)
        name = given.get("/tn", "")
        match words[0].lower() if words else "":
            case "/create" if self.refuses_tasks:
                return Answer(exit_code=1, stderr=_DENIED)
            case "/create":
                self.tasks[name] = Task(given["/tr"], given.get("/ru", ""))
                return Answer(f'SUCCESS: The scheduled task "{name}" has successfully been created.\r\n')
            case "/run" | "/delete" if name not in self.tasks:
                return Answer(exit_code=1, stderr=_NO_TASK)
            case "/run":
                self._run(self.tasks[name])
                return Answer(f'SUCCESS: Attempted to run the scheduled task "{name}".\r\n')
            case "/delete":
                del self.tasks[name]
                return Answer(f'SUCCESS: The scheduled task "{name}" was successfully deleted.\r\n')
        return Answer(exit_code=1, stderr="ERROR: Invalid syntax.\r\n")

    def _run(self, task: Task) -> None:
        """Run a task at the desktop, if the one it runs as is logged on there."""
        if self.user is None or (task.user or self.login).lower() != self.user.lower():
            return
        self._at_desktop = True
        try:
            self._console.answer(task.action)
        finally:
            self._at_desktop = False

    def _tasklist(self, words: Sequence[str]) -> Answer:
        if self.user is None:
            return Answer(_NO_EXPLORER)
        return Answer(
            f'"explorer.exe","4660","Console","1","132,456 K","Running","{self.user}","0:00:12","N/A"\r\n',
        )

    def _netstat(self, words: Sequence[str]) -> Answer:
        ports = (5555 + 2 * guest.index for guest in self._guests if guest.adb)
        rows = (f"  TCP    127.0.0.1:{port:<14}0.0.0.0:0              LISTENING\r\n" for port in ports)
        return Answer("\r\nActive Connections\r\n\r\n" + "".join(rows))


def _options(words: Sequence[str]) -> dict[str, str]:
    """Pair every word with the one after it, so that each option has its value, whatever stands between."""
    return {option.lower() if option.startswith("/") else option: value for option, value in itertools.pairwise(words)}
