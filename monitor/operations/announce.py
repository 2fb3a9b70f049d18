"""Saying what is done to emulators, so that the service that watches takes none of it for a fault, and remembers it.

Whoever is told can't hurt: what it raises is logged and changes nothing, and it must return at once. The service of the
same config is told by a thread of its own, in order; whether there is one makes no difference to an operation.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from monitor.client import Client, ServiceError, segment
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.operations.outcome import Done

PATIENCE: Final = 2.0
"""Seconds the service may take to answer."""
ROOM: Final = 50
"""Announcements that wait; beyond it the oldest are dropped."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What is done to an emulator, or was."""

    operation: str
    """start, stop, restart, create, delete, rename."""
    emulator: str
    """``ldplayer:<index>``; empty when it has none yet."""
    outcome: Literal["begun", "done", "failed"]
    """``begun``: it is told to start or to stop this very moment."""
    message: str = ""


Announce = Callable[[Announcement], None]


def nobody(announcement: Announcement) -> None:
    """Tell nobody."""


class Deed:
    """One operation, from the first thing that was sent to its outcome."""

    def __init__(self, operation: str, announce: Announce) -> None:
        self.done: Done | None = None
        """What it came to."""
        self.sent = False
        """Whether anything was sent that changes something."""
        self._operation = operation
        self._emulator = ""
        self._announce = announce

    def changes(self, emulator: str = "") -> None:
        """Know that something is sent now, about an emulator if there is one yet."""
        self.sent, self._emulator = True, emulator

    def moves(self, emulator: str) -> None:
        """Know that an emulator is told to start or to stop now."""
        self.changes(emulator)
        self.tell("begun")

    def end(self, done: Done) -> Done:
        """Know what it came to."""
        self._emulator, self.done = done.emulator, done
        return done

    def tell(self, outcome: Literal["begun", "done", "failed"], message: str = "") -> None:
        """Announce it; what that raises changes nothing."""
        said = Announcement(operation=self._operation, emulator=self._emulator, outcome=outcome, message=message)
        try:
            self._announce(said)
        except Exception:  # noqa: BLE001 - strangers' code: its defect must not reach the operation
            _log.exception("announcing %s raised", said)


@contextlib.contextmanager
def deed(operation: str, announce: Announce) -> Iterator[Deed]:
    """Carry out an operation, and announce what it came to if it changed anything."""
    one = Deed(operation, announce)
    try:
        yield one
    except BaseException as error:
        if one.sent:
            one.tell("failed", str(error) or "given up; what was sent may still take effect")
        raise
    if one.done is not None and one.done.changed:
        one.tell("done", str(one.done))


class ToService:
    """Tells the service of a config, if it runs: at once, in order, by a thread that ends when all is said.

    Args:
        config: Where it listens, and where its token is.
        workstation: Whose emulators are told of.

    """

    def __init__(self, config: Config, workstation: str) -> None:
        self._client = Client(config, timeout=PATIENCE)
        self._base = f"/api/v1/workstations/{segment(workstation)}"
        self._who = _user()
        self._lock = threading.Lock()
        self._waiting: deque[Announcement] = deque(maxlen=ROOM)
        self._telling = False

    def __call__(self, announcement: Announcement) -> None:
        """Have it told."""
        with self._lock:
            self._waiting.append(announcement)
            if self._telling:
                return
            self._telling = True
        # Not a daemon: a script that ends right after an operation waits for the last word.
        threading.Thread(target=self._tell, name="telling the service").start()

    def _tell(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._telling = False
                    return
                announcement = self._waiting.popleft()
            with contextlib.suppress(ServiceError, ConfigError):  # none runs, or not ours to talk to: nobody to tell
                self._post(announcement)

    def _post(self, said: Announcement) -> None:
        if said.outcome == "begun":
            self._client.post(f"{self._base}/emulators/{segment(said.emulator)}/told", {})
            return
        told = {"emulator": said.emulator, "operation": said.operation, "outcome": said.outcome}
        self._client.post(f"{self._base}/operations", {**told, "message": said.message, "who": self._who})


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, in a container
        return ""
