"""YAML with places: every mapping and list knows the file, line and key path of each of its parts.

Reads events, not objects: nothing in a file can create one. Scalars are read by the core schema of YAML 1.2 (`no` and
`12:30` are text). Anchors, aliases and `<<` work; depth, size and what aliases add up to are bounded, because the
file may be anybody's. Duplicate keys are problems. What a key *means* is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from monitor.config.environment import Expanded, expand
from monitor.config.problems import Place, Report

DEEPEST: Final = 40
MOST_VALUES: Final = 2_000_000
_WIDEST: Final = 60

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_YAML: Final = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN_KEY: Final = re.compile(r"[\w.-]{1,60}")
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


class Section(dict[str, Any]):
    """A mapping of the file."""

    __slots__ = ("file", "line", "lines", "origins", "path")

    def __init__(self, file: str, line: int | None, path: str) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.path = path
        self.lines: dict[str, int] = {}
        self.origins: Mapping[str, Section] = {}
        """Keys that came from another section, and which."""

    def place(self, key: str | None = None) -> Place:
        """Where `key` stands; without a key, or for a missing one, the section itself."""
        if key is None:
            return Place(self.file, self.line, self.path)
        if key in self.origins:
            return self.origins[key].place(key)
        return Place(self.file, self.lines.get(key, self.line), join(self.path, key))

    def over(self, below: Section) -> Section:
        """This section laid over `below`: its own keys win, the others keep the place they came from."""
        merged = Section(self.file, self.line, self.path)
        merged.update({**below, **self})
        merged.lines = self.lines
        inherited = {key: below.origins.get(key, below) for key in below if key not in self}
        merged.origins = {**inherited, **self.origins}
        return merged


class Items(list[Any]):
    """A list of the file."""

    __slots__ = ("file", "line", "lines", "path")

    def __init__(self, file: str, line: int | None, path: str) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.path = path
        self.lines: list[int] = []

    def place(self, index: int | None = None) -> Place:
        """Where an item stands; without an index, the list itself."""
        if index is None or not 0 <= index < len(self.lines):
            return Place(self.file, self.line, self.path)
        return Place(self.file, self.lines[index], f"{self.path}[{index}]")


def join(path: str, key: str) -> str:
    """Add a key to a path; odd keys are quoted and cut, so that none can break a line."""
    shown = key if _PLAIN_KEY.fullmatch(key) else ascii(key[:40])
    return f"{path}.{shown}" if path else shown


def parse(text: str, *, file: str, environ: Mapping[str, str], report: Report) -> Section | None:
    """Read one file's text; None when there is no mapping to go on with (the report says why)."""
    if odd := _NOT_YAML.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        report.add(Place(file, line, ""), f"holds the character U+{ord(odd[0]):04X}, which YAML does not allow")
        return None
    builder = _Builder(file, environ, report)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.feed(event)
    except _RefusedError as refused:
        report.add(Place(file, refused.line, refused.key), str(refused))
        return None
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        report.add(Place(file, mark.line + 1 if mark else None, ""), _syntax(exc, text, mark))
        return None
    if isinstance(builder.root, Section):
        return builder.root
    empty = builder.root is None
    report.add(Place(file, None, ""), "is empty" if empty else "must be a mapping such as `workstations: [...]`")
    return None


def _syntax(exc: yaml.MarkedYAMLError, text: str, mark: Any) -> str:
    """Words for what the YAML reader stumbled over, with the usual cause when the line shows it."""
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "not valid YAML: indent with spaces, not with tabs"
    if "${" in line:
        return 'not valid YAML: put "${NAME}" in quotes inside { } and [ ]'
    return f"not valid YAML: {exc.problem or exc.context}"


class _RefusedError(Exception):
    """The file can't be read any further."""

    def __init__(self, message: str, line: int, key: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.key = key


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read."""

    value: Section | Items
    anchor: str | None
    start: int
    """How many values had been read before it."""
    key: str | None = None
    line: int = 0

    def child(self) -> str:
        """The path of the part that comes next."""
        if isinstance(self.value, Items):
            return f"{self.value.path}[{len(self.value)}]"
        return join(self.value.path, self.key or "")


class _Builder:
    """Turns events into sections, without recursion."""

    def __init__(self, file: str, environ: Mapping[str, str], report: Report) -> None:
        self.root: Any = None
        self._file = file
        self._environ = environ
        self._report = report
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._documents = 0

    def feed(self, event: yaml.Event) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _RefusedError("a second YAML document begins here; write one per file", line)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        _no_tag(event.tag, line)
        frame = self._frames[-1] if self._frames else None
        if frame is not None and isinstance(frame.value, Section) and frame.key is None:
            frame.key, frame.line = event.value, line
            return
        plain = bool(event.implicit[0])
        value = _plain(event.value) if plain else event.value
        if isinstance(value, str) and "$" in value:
            value = expand(value, self._environ, self._report, self._place(line))
        self._keep(event.anchor, value, 1)
        self._put(value, line)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, line: int) -> None:
        _no_tag(event.tag, line)
        if len(self._frames) >= DEEPEST:
            raise _RefusedError(f"nested more than {DEEPEST} levels deep", line)
        parent = self._frames[-1] if self._frames else None
        if parent is not None and isinstance(parent.value, Section) and parent.key is None:
            raise _RefusedError("a key must be plain text, not a mapping or list", line)
        kind = Section if isinstance(event, yaml.MappingStartEvent) else Items
        value = kind(self._file, parent.line if parent and parent.key else line, parent.child() if parent else "")
        self._frames.append(_Frame(value, event.anchor, self._count, line=line))

    def _close(self) -> None:
        frame = self._frames.pop()
        value = frame.value
        if isinstance(value, Section) and "<<" in value:
            value = self._merged(value)
        self._keep(frame.anchor, value, self._count - frame.start)
        self._put(value, frame.value.line or 0)

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame is not None and isinstance(frame.value, Section) and frame.key is None:
            raise _RefusedError("a key must be plain text, not an alias", line)
        if event.anchor not in self._anchors:
            raise _RefusedError("an alias must follow the anchor (&name) it repeats, outside of it", line)
        value, weight = self._anchors[event.anchor]
        self._count += weight
        self._put(value, line)

    def _keep(self, anchor: str | None, value: object, weight: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, weight + 1)

    def _place(self, line: int) -> Place:
        return Place(self._file, line, self._frames[-1].child() if self._frames else "")

    def _put(self, value: Any, line: int) -> None:
        """Hand a finished value to the mapping or list it belongs to."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise _RefusedError(f"holds more than {MOST_VALUES} values (aliases counted as often as used)", line)
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        if isinstance(frame.value, Items):
            frame.value.append(value)
            frame.value.lines.append(line)
            return
        key = frame.key or ""
        if key in frame.value:
            place = Place(self._file, frame.line, join(frame.value.path, key))
            self._report.add(place, f"written twice; first at line {frame.value.lines[key]}")
        else:
            frame.value[key] = value
            frame.value.lines[key] = frame.line
        frame.key = None

    def _merged(self, section: Section) -> Section:
        """Resolve `<<`: the section's own keys win, then earlier ones of a list."""
        line = section.lines.pop("<<")
        below = section.pop("<<")
        for layer in below if isinstance(below, Items) else [below]:
            if not isinstance(layer, Section):
                raise _RefusedError("<< takes an alias of a mapping, or a list of them", line, section.path)
            section = section.over(layer)
        return section


def _no_tag(tag: str | None, line: int) -> None:
    if tag is not None:
        raise _RefusedError("tags (!...) have no meaning here; leave it out", line)


def _plain(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar stands for in YAML 1.2."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def shown(value: object) -> str:
    """A value for a message: short, on one line, an expanded ``${NAME}`` as it was written."""
    if isinstance(value, Expanded):
        value = value.raw
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
