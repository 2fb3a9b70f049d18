"""Notice that the config or one of the files it names has changed, and say so once it is written to its end.

Looks at sizes and times every few seconds instead of asking the kernel, so that it also works on network drives and
with editors that replace files. A change counts when two looks in a row see the same: nobody reads half a file.
"""

from __future__ import annotations

import asyncio
import glob
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

LOOK: Final = 2.0
"""Seconds between two looks."""

Print = tuple[tuple[str, int, int, int], ...]
"""What one look saw of every file: name, time of change (ns), size, inode; zeros for one that is not there."""


def look(files: Iterable[Path], globs: Iterable[str]) -> Print:
    """Look at files and at what patterns match now."""
    names = {str(path) for path in files}
    for pattern in globs:
        names.update(glob.glob(pattern, recursive=True))  # noqa: PTH207 - the patterns are texts of the config
    return tuple(_one(name) for name in sorted(names))


def _one(name: str) -> tuple[str, int, int, int]:
    try:
        found = Path(name).stat()
    except OSError:
        return name, 0, 0, 0
    return name, found.st_mtime_ns, found.st_size, found.st_ino


class Watch:
    """Watches the files of a config, whichever they are at the time."""

    def __init__(
        self,
        files: Callable[[], tuple[Sequence[Path], Sequence[str]]],
        changed: Callable[[], Awaitable[None]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep whom to ask and whom to tell.

        Args:
            files: Tells which files and patterns to watch now.
            changed: Told of a change, once; whatever it does, the same change is not told again.
            sleep: Waits.

        """
        self._files = files
        self._changed = changed
        self._sleep = sleep
        self._known: Print = ()

    async def note(self) -> None:
        """Take the files as they are now for known: somebody is about to read them anyway."""
        self._known = await self._look()

    async def note_new(self) -> None:
        """Take those files for known that were not watched before: they were read with the others."""
        known = {one[0]: one for one in self._known}
        self._known = tuple(known.get(one[0], one) for one in await self._look())

    async def run(self) -> None:
        """Watch until cancelled."""
        await self.note()
        before = self._known
        while True:
            await self._sleep(LOOK)
            now = await self._look()
            if now == before != self._known:
                self._known = now
                await self._changed()
            before = now

    async def _look(self) -> Print:
        files, globs = self._files()
        return await asyncio.to_thread(look, files, globs)
