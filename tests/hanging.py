"""Name servers that hang on command: `socket.getaddrinfo` blocks for names that begin with "hangs"."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

ADDRESS = "127.0.0.1"


class HangingNames:
    """What is looked up, and what of it hangs. Any other name is 127.0.0.1's."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hanging: list[str] = []
        self._let_go = threading.Event()
        self._real = socket.getaddrinfo

    def let_go(self) -> None:
        """Answer everything that hangs, and hang no more."""
        self._let_go.set()

    def getaddrinfo(self, host: str, port: Any, *more: Any, **options: Any) -> Any:
        flags = options.get("flags", more[3] if len(more) > 3 else 0)
        if not flags & socket.AI_NUMERICHOST:
            self.asked.append(host)
            if host.startswith("hangs"):
                self.hanging.append(host)
                assert self._let_go.wait(60), "the test never let go"
                self.hanging.remove(host)
            if host.startswith("nobody"):
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            host = ADDRESS
        return self._real(host, port, *more, **options)


@contextlib.contextmanager
def hanging_names() -> Iterator[HangingNames]:
    names = HangingNames()
    with mock.patch.object(socket, "getaddrinfo", names.getaddrinfo):
        try:
            yield names
        finally:
            names.let_go()
