"""What the user of a discovery sees: a bar on a terminal, a line for each find elsewhere, a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from monitor.discovery import Look, Open, printable
from monitor.discovery.scan import Survey
from monitor.discovery.write import Host
from monitor.terminal import clean


class Shown:
    """What the user sees while it goes on: a bar on a terminal, a line for each find elsewhere."""

    def __init__(self, screen: Console, bar: Progress | None) -> None:
        self._screen = screen
        self._bar = bar
        self._task = None if bar is None else bar.add_task("ports", total=None)

    def told(self, survey: Survey) -> Callable[[Open | None], None]:
        """Make what a `Scanner` tells of each door."""

        def told(found: Open | None) -> None:
            if found is not None:
                self._say(f"{found.host}: {found}")
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=survey.tried, total=survey.total)

        return told

    def looking(self, count: int) -> None:
        """Know that the ports are done, and how many hosts are looked at now."""
        if self._bar is not None and count:
            self._task = self._bar.add_task("hosts", total=count)

    def looked(self, host: str, look: Look) -> None:
        """Know what a host said."""
        if look.trouble or look.version:
            self._say(f"{host}: {look.trouble or look.version}")
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def _say(self, line: str) -> None:
        self._screen.print(Text(clean(line)), soft_wrap=True)


@contextmanager
def progress(screen: Console) -> Iterator[Shown]:
    """Show how far it is."""
    if not screen.is_terminal:
        yield Shown(screen, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        yield Shown(screen, bar)


def table(met: Sequence[Host]) -> Table:
    """Make the table of what was found."""
    rows = Table()
    for heading in ("host", "open", "is", "emulators", "remarks"):
        rows.add_column(heading, overflow="fold")
    for host in met:
        look = host.look
        listed = (f"{each.driver}: {each.trouble or f'{len(each.instances)}'}" for each in look.consoles)
        cells = (host.name, "\n".join(map(str, host.doors)), look.version, "\n".join(listed))
        remarks = "\n".join(filter(None, (look.trouble, look.fingerprint)))
        rows.add_row(*(Text(clean(words, lines=True)) for words in (*cells, remarks)))
    return rows


def summary(survey: Survey, met: Sequence[Host]) -> str:
    """What became of all the doors, on one line."""
    shut = ", ".join(f"{count} {reason}" for reason, count in survey.closed.most_common())
    untried = "".join(f"; {count} not tried: {printable(why)}" for why, count in survey.untried.most_common(3))
    tried = f"{survey.tried} of {survey.total} ports tried"
    return f"{tried}: {len(survey.open)} open on {len(met)} hosts{f', {shut}' if shut else ''}{untried}"
