"""The plug-ins of a package by name, each imported when it is first asked for: most runs of a command need few of them.

A plug-in is a module that holds one constant; the names are known without importing anything.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar


class Named(Protocol):
    """What a plug-in's constant is."""

    @property
    def name(self) -> str:
        """That of its module."""


K = TypeVar("K", bound=Named)


class Kinds(Mapping[str, K]):
    """Those of one package."""

    def __init__(self, package: str, path: Iterable[str], constant: str, kind: type[K]) -> None:
        """Find the names.

        Args:
            package: The package's name.
            path: Its ``__path__``.
            constant: What each module calls its constant.
            kind: The constant's type.

        """
        self._package = package
        self._constant = constant
        self._kind = kind
        self._found: dict[str, K | None] = dict.fromkeys(sorted(info.name for info in pkgutil.iter_modules(path)))

    def __getitem__(self, name: str) -> K:
        """Import a module and return its constant.

        Raises:
            KeyError: There is no such module.
            TypeError: Its constant is missing, of another type or of another name than its module.

        """
        found = self._found[name]
        if found is None:
            module = importlib.import_module(f"{self._package}.{name}")
            found = getattr(module, self._constant, None)
            if not isinstance(found, self._kind) or found.name != name:
                words = f"{module.__name__}: {self._constant} must be a {self._kind.__name__} named {name!r}"
                raise TypeError(f"{words}, is {found!r}")
            self._found[name] = found
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
