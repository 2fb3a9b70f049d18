"""Write the committed JSON: ``python -m dashboards.build``; ``--check`` only says whether it would change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from dashboards.build import breakers, emulators, fleet, monitor, workstation
from dashboards.build.board import Board, text

BOARDS: Final[tuple[Board, ...]] = (fleet.BOARD, workstation.BOARD, breakers.BOARD, emulators.BOARD, monitor.BOARD)
FOLDER: Final = Path(__file__).parents[1] / "provisioning" / "dashboards" / "emuwatch"


def files() -> dict[str, str]:
    """Every file and what it should hold."""
    return {f"{board.uid}.json": text(board) for board in BOARDS}


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of files that are missing, differ, or belong to no dashboard."""
    wanted = files()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def write(folder: Path = FOLDER) -> None:
    """Make the folder hold the dashboards and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale(folder):
        (folder / name).unlink(missing_ok=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write or check, as asked."""
    if arguments == ["--check"]:
        names = stale()
        if names:
            sys.stderr.write(f"run python -m dashboards.build: {', '.join(names)}\n")
        return int(bool(names))
    if arguments:
        sys.stderr.write("usage: python -m dashboards.build [--check]\n")
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
