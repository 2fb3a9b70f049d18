r"""The contract of an emulator console: what to ask, and how to read the answer. One file per product.

A driver module holds one constant, `DRIVER`, and is pure: it runs nothing and reads no file. Its parser takes the exact
bytes and is total: whatever it can't read comes back as a visibly rejected line or as a `NoListing`, never as an
exception. Text is decoded here, with the code page of the host, and a byte the code page does not know stays visible
as ``\xNN``: a damaged title never costs a row.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.model import Entity, Platform, Reason

_DWORD: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Listing:
    """What a console listed: every line that is no noise is in one of the two."""

    entities: tuple[Entity, ...]
    rejected: tuple[str, ...] = ()
    """Lines that are no rows, as text."""


@dataclass(frozen=True, slots=True)
class NoListing:
    """The console printed something else, or failed."""

    reason: Reason
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The whole of a driver module, as a constant: ``DRIVER = Driver(name="mumu", ...)``."""

    name: str
    """The first half of emulator ids: ``mumu:3``."""
    program: str
    """What is asked when the config names no other: a program on the PATH, or a file at its usual place."""
    argv: Callable[[str, Platform], Sequence[str]]
    """The one command that lists the instances, from the program and the platform; `LocalError`: there is none."""
    parse: Callable[[bytes, int, str], Listing | NoListing]
    """Reads what it printed, its exit code (signed), with the code page of the host."""


@functools.cache
def discover() -> Mapping[str, Driver]:
    """Import every module of this package and collect the `DRIVER` constants by name.

    A module without one is about something else that emulators have in common, and no console.

    Raises:
        TypeError: A module's constant is of another type or of another name than its module.

    """
    drivers: dict[str, Driver] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if not hasattr(module, "DRIVER"):
            continue
        driver = module.DRIVER
        if not isinstance(driver, Driver) or driver.name != info.name:
            message = f"{module.__name__}: DRIVER must be a Driver named {info.name!r}, is {driver!r}"
            raise TypeError(message)
        drivers[driver.name] = driver
    return drivers


def signed_exit(code: int) -> int:
    """Turn an unsigned 32-bit exit code into the number the console means: 4294966295 is -1001."""
    return code - _DWORD if _DWORD // 2 <= code < _DWORD else code


def decode(text: bytes, code_page: str) -> str:
    r"""Decode `text`; what the code page does not know stays visible as ``\xNN``, and so does a useless code page."""
    try:
        return text.decode(code_page, "backslashreplace")
    except (LookupError, ValueError):
        return text.decode("ascii", "backslashreplace")


def lines_of(data: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, without the blanks around them; safe in every ANSI code page."""
    return (line for line in map(bytes.strip, data.splitlines()) if line)


def port(number: object) -> int | None:
    """A TCP port; None: this is none."""
    usable = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 16
    return number if usable and isinstance(number, int) else None
