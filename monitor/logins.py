r"""Which accounts hosts refuse, so that none is locked because it is tried again and again.

Every refused login brings an account nearer to being locked, and a domain account is one and the same on every host:
two hundred workstations that each try once try two hundred times. An account is known here by its user and a digest of
its secret; the secret is not kept. What is known is shared by all who are given the same `Logins`:

- A host that refused an account is not asked again with it for `HOLD` seconds; then once.
- An account that is refused by host after host, and by none admitted in between, is held back from all of them, for as
  long; then one host is asked, and what that says goes for all. How many hosts may refuse in a row: `STRANGER`, or
  `KNOWN` once any host has admitted it. Logins under way count as if they were refused, so a burst does not exceed it.
- One host that refuses silences no other: the first login that is admitted clears the account. A host that refuses
  what others admit (a local account of the same name has a password of its own) says nothing of the account any more.
- ``.\name`` is a local account, another one on every host.

`Logins.forget` lets a host be asked anew; another secret is another account.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Reason, Severity

HOLD: Final = 1800.0
"""Seconds. Policies forget a refused login after 10 to 30 minutes, so at one in 30 minutes none ever adds up."""
STRANGER: Final = 2
"""Hosts: two that refuse an account nobody has admitted need no third to tell that its secret is wrong."""
KNOWN: Final = 4
"""Hosts: a secret that was right may have been changed, or these have another one; policies lock at 5 or later."""
PATIENCE: Final = 1.0
"""Seconds a login waits to see what other hosts make of the account."""

Mark = Callable[[Category], None]


class Logins:
    """What hosts said of accounts; safe to be shared by several threads, each with an event loop of its own."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._salt = secrets.token_bytes(32)
        self._lock = threading.RLock()
        self._accounts: dict[bytes, _Account] = {}

    def door(self, host: str, *, where: str, user: str, secret: str) -> Door:
        """Give what one account's logins to one host go through.

        Args:
            host: Which one: the workstation's id.
            where: The endpoint, for messages.
            user: Who logs in; upper and lower case are the same, as on Windows.
            secret: Whatever proves it.

        """
        words = [user.lower(), secret, *([host] if user.startswith(".\\") else [])]
        digest = hashlib.blake2b(repr(words).encode("utf-8", "surrogatepass"), key=self._salt, digest_size=32).digest()
        with self._lock:
            account = self._accounts.setdefault(digest, _Account(self._clock, self._lock))
        return Door(account, host, where)

    def forget(self, host: str) -> None:
        """Let a host be asked as if it had refused nothing: it is reached in another way now, or is gone."""
        with self._lock:
            for account in self._accounts.values():
                account.forget(host)


class Door:
    """One account's logins to one host."""

    def __init__(self, account: _Account, host: str, where: str) -> None:
        self._account = account
        self._host = host
        self._where = where

    @property
    def shut(self) -> bool:
        """Whether the host refused the account, and must not be asked with it now."""
        return self._account.shut_for(self._host) > 0

    def check(self) -> None:
        """Refuse in the host's place while it must not be asked.

        Raises:
            ProbeError: WORKSTATION: the host refused the login.

        """
        left = self._account.shut_for(self._host)
        if left > 0:
            raise self._refusal(f"this login was refused; it is not tried again {_until(left)}")

    def refused(self) -> None:
        """Know that the host refused; several times at once is once."""
        self._account.refuse(self._host)

    async def enter(self, mark: Mark) -> Attempt:
        """Wait for the turn to log in: one at a time here, and while the account is in doubt few anywhere.

        Args:
            mark: Told the layer that the login it waits for is at.

        Raises:
            ProbeError: WORKSTATION: this host, or one after the other, refused the login.
            LocalError: Whether the account is well was not found out elsewhere in time.

        """
        loop = asyncio.get_running_loop()
        patience = loop.time() + PATIENCE
        attempt = Attempt(self._account, self._host, mark)
        while True:
            with self._account.lock:
                self.check()
                self._check_everywhere()
                if self._account.begin(attempt):
                    return attempt
                ahead = self._account.ahead_of(attempt)
                if ahead is not None:
                    ahead.follow(attempt)
                turn = self._account.queue(loop)
            try:
                async with asyncio.timeout_at(patience if ahead is None else None):
                    await turn
            except TimeoutError:
                words = "waits for what other hosts make of the login, so that a wrong one is not sent to all"
                raise LocalError(f"{self._where}: {words}") from None
            finally:
                if ahead is not None:
                    ahead.leave(attempt)

    def _check_everywhere(self) -> None:
        left = self._account.held_for()
        if left > 0:
            hosts = ", ".join(sorted(self._account.suspects))
            words = f"login not tried: {hosts} refused the same one, and no host admitted it since"
            raise self._refusal(f"{words}; not tried anywhere {_until(left)}")

    def _refusal(self, words: str) -> ProbeError:
        return ProbeError(
            f"{self._where}: {words}: accounts lock",
            category=Category.WORKSTATION,
            severity=Severity.CRITICAL,
            reason=Reason.AUTH,
            recoverable=False,
        )


class Attempt:
    """One login under way."""

    def __init__(self, account: _Account, host: str, mark: Mark) -> None:
        self.host = host
        self._account = account
        self._mark = mark
        self._answered = False
        self._behind: list[Attempt] = []

    def heard(self) -> None:
        """Know that the host answers: whoever waits behind this login waits for the host's login now."""
        self._answered = True
        for each in self._behind:
            each._mark(Category.WORKSTATION)  # noqa: SLF001 - one of its own kind

    def admitted(self) -> None:
        """Know that the host let the account in."""
        self._account.admit(self)

    def over(self) -> None:
        """Let the next one have its turn; does nothing when that was said before."""
        self._account.end(self)

    def follow(self, other: Attempt) -> None:
        """Let another wait behind this one."""
        self._behind.append(other)
        if self._answered:
            other._mark(Category.WORKSTATION)

    def leave(self, other: Attempt) -> None:
        """Let it wait no more."""
        with contextlib.suppress(ValueError):
            self._behind.remove(other)


@dataclass(eq=False)
class _Account:
    """What is known of one account."""

    clock: Callable[[], float]
    lock: threading.RLock
    known: bool = False
    """Whether any host ever admitted it."""
    suspects: set[str] = field(default_factory=set)
    """The hosts that refused it one after the other; empty while it is beyond doubt."""
    odd: set[str] = field(default_factory=set)
    """The hosts that refused what others admitted afterwards."""
    shut: dict[str, float] = field(default_factory=dict)
    """Until when a host is not asked."""
    held: float = 0.0
    """Until when nobody is asked."""
    under_way: list[Attempt] = field(default_factory=list)
    waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = field(default_factory=list)

    @property
    def limit(self) -> int:
        """How many hosts may refuse it in a row."""
        return KNOWN if self.known else STRANGER

    def shut_for(self, host: str) -> float:
        return self.shut.get(host, 0.0) - self.clock()

    def held_for(self) -> float:
        return self.held - self.clock() if len(self.suspects) >= self.limit else 0.0

    def begin(self, attempt: Attempt) -> bool:
        """Let a login begin, if it is its turn."""
        in_doubt = bool(self.suspects) or not self.known
        room = max(1, self.limit - len(self.suspects))  # beyond the limit: the one try after the hold
        if self.ahead_of(attempt) is not None or (in_doubt and len(self.under_way) >= room):
            return False
        self.under_way.append(attempt)
        return True

    def ahead_of(self, attempt: Attempt) -> Attempt | None:
        """Find the login to the same host that is under way."""
        return next((each for each in self.under_way if each.host == attempt.host), None)

    def queue(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Give what is done when it may be one's turn."""
        turn: asyncio.Future[None] = loop.create_future()
        self.waiting.append((loop, turn))
        return turn

    def end(self, attempt: Attempt) -> None:
        with self._changing():
            if attempt in self.under_way:
                self.under_way.remove(attempt)

    def admit(self, attempt: Attempt) -> None:
        with self._changing():
            if attempt not in self.under_way:
                return
            self.under_way.remove(attempt)
            self.known = True
            self.odd |= self.suspects
            self.odd.discard(attempt.host)
            self.suspects.clear()
            self.shut.pop(attempt.host, None)

    def refuse(self, host: str) -> None:
        with self._changing():
            self.shut[host] = self.clock() + HOLD
            if host not in self.odd:
                self.suspects.add(host)
                self.held = self.clock() + HOLD

    def forget(self, host: str) -> None:
        with self._changing():
            self.shut.pop(host, None)
            self.suspects.discard(host)
            self.odd.discard(host)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Change something under the lock; then let everybody who waits look again."""
        with self.lock:
            yield
            waiting, self.waiting = self.waiting, []
        for loop, turn in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_wake, turn)


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def _until(seconds: float) -> str:
    """Say how long, and what would shorten it."""
    return f"for another {max(1, round(seconds / 60))} min, or until the config changes its credential or transport"
