"""Notices in words: default templates, an operator's own, and the same as JSON for receivers that are programs.

Templates are Jinja's, sandboxed, plain text. One of an operator's that fails falls back to the default: a message in
other words is better than none. Text from a host is one line of bounded length wherever it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.durations import show
from monitor.model import Category, Status, SubjectKind
from monitor.notices import Guard, Item, Message, Notice, Telling

LONGEST: Final = 300
"""Characters of a text from a host."""
LISTED: Final = 20
"""Items a message names."""
_COARSE: Final = ((2 * 86_400, 3600), (600, 60))
"""From so many seconds on, only so many count."""
MARKS: Final = {
    Telling.PROBLEM: "",
    Telling.UPDATE: "",
    Telling.REMINDER: "still ",
}

TITLE: Final = "[{{ label }}] {{ summary }}"
TEXT: Final = """\
{% if kind == "test" -%}
This is a test of the channel: if you can read it, problems will be told here.
{% endif -%}
{% for item in problems[:listed] -%}
{{ item.where }}: {{ item.status }} for {{ item.lasted }}{% if item.flapping %}, flapping{% endif -%}
{% if item.message %} - {{ item.message }}{% endif %}
{% endfor -%}
{% if problems|length > listed %}and {{ problems|length - listed }} more
{% endif -%}
{% for item in causes[:listed] -%}
{{ item.where }}: {{ item.status }} for {{ item.lasted }}{% if item.message %} - {{ item.message }}{% endif %}
{% endfor -%}
{% for item in recovered[:listed] -%}
{{ item.where }}: {{ item.ending }}
{% endfor -%}
{% if recovered|length > listed %}and {{ recovered|length - listed }} more are well again
{% endif -%}
{% if site %}Site: {{ site }}
{% endif -%}
{% if since and kind != "digest" %}Since: {{ since }}{% if kind == "resolved" %}, lasted {{ lasted }}{% endif %}
{% endif -%}
{% if affected and kind != "resolved" %}Emulators affected: {{ affected }} of {{ emulators }}
{% endif -%}
{% for breaker in breakers -%}
Breaker {{ breaker.name }}: {{ breaker.state }}{% if breaker.trial %}, next trial {{ breaker.trial }}{% endif %}
{% endfor -%}
{% if url %}{{ url }}
{% endif -%}
"""


def one_line(text: str) -> str:
    """Make a text from a host fit for one line of a message."""
    plain = "".join(char if char.isprintable() else " " for char in text[: 2 * LONGEST])
    line = " ".join(plain.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def moment(at: float) -> str:
    """Write a moment for people everywhere."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """Write how long something lasted, no finer than it matters."""
    whole = max(0, round(seconds))
    coarse = next((unit for above, unit in _COARSE if whole >= above), 1)
    return show(float(whole - whole % coarse))


class _Environment(ImmutableSandboxedEnvironment):
    """Templates may look, not touch."""


def environment() -> ImmutableSandboxedEnvironment:
    """Make what reads templates: plain text, a name that is unknown is empty."""
    made = _Environment(autoescape=False, keep_trailing_newline=False, undefined=Undefined)
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
    return made


def check_template(text: str) -> str:
    """Accept a template that can be read, and that can word a problem.

    Raises:
        ValueError: Why not.

    """
    try:
        environment().from_string(text).render({**words(sample(), ""), "title": "", "text": "", "key": ""})
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        place = f" (line {line})" if line else ""
        raise ValueError(f"is no template that works: {error.message or type(error).__name__}{place}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"is no template that works: {type(error).__name__}") from None
    return text


class Templates:
    """How notices are put into words."""

    def __init__(self, title: str | None = None, text: str | None = None) -> None:
        """Compile the templates; None: the default."""
        made = environment()
        self._own = made.from_string(title or TITLE), made.from_string(text or TEXT)
        self._default = made.from_string(TITLE), made.from_string(TEXT)

    def compose(self, key: str, notice: Notice, *, url: str = "", breakers: Sequence[Guard] = ()) -> Message:
        """Put a notice into words."""
        said = words(notice, url, breakers)
        try:
            title, text = (template.render(said) for template in self._own)
        except Exception:  # noqa: BLE001 - an operator's template may do anything; the default does not fail
            title, text = (template.render(said) for template in self._default)
        title = " ".join(title.split())
        return Message(key=key, notice=notice, title=title, text=text.strip("\n"), url=url, breakers=tuple(breakers))


def words(notice: Notice, url: str, breakers: Sequence[Guard] = ()) -> dict[str, Any]:
    """All that a template may use."""
    return {
        "kind": notice.telling.value,
        "label": label(notice),
        "summary": summary(notice),
        "route": notice.route,
        "group": notice.group,
        "site": notice.site,
        "since": moment(notice.opened) if notice.opened else "",
        "lasted": span(notice.at - notice.opened),
        "at": moment(notice.at),
        "problems": [_item(item, notice.at) for item in notice.problems],
        "causes": [_item(item, notice.at) for item in _unsaid(notice)],
        "recovered": [_item(item, notice.at) for item in notice.recovered],
        "affected": notice.affected,
        "emulators": notice.emulators,
        "workstations": notice.workstations,
        "breakers": [
            {"name": b.name, "state": b.state, "trial": "" if b.trial_at is None else moment(b.trial_at)}
            for b in breakers
        ],
        "url": url,
        "listed": LISTED,
    }


def message_words(message: Message) -> dict[str, Any]:
    """The same of a message, with its title, text and key."""
    said = words(message.notice, message.url, message.breakers)
    return {**said, "title": message.title, "text": message.text, "key": message.key}


def as_json(message: Message) -> Mapping[str, Any]:
    """A message for programs: moments are Unix time."""
    notice = message.notice
    return {
        "key": message.key,
        "kind": notice.telling.value,
        "title": message.title,
        "text": message.text,
        "url": message.url,
        "route": notice.route,
        "group": notice.group,
        "site": notice.site,
        "at": notice.at,
        "since": notice.opened,
        "problems": [_plain(item) for item in notice.problems],
        "causes": [_plain(item) for item in notice.causes],
        "recovered": [_plain(item) for item in notice.recovered],
        "emulators": {"affected": notice.affected, "known": notice.emulators},
        "breakers": [{"name": b.name, "state": b.state, "trial_at": b.trial_at} for b in message.breakers],
    }


def label(notice: Notice) -> str:
    """The word a reader sees first."""
    if notice.telling is Telling.RESOLVED:
        return "well again" if _is_well(notice) else "not told any more"
    if notice.telling not in MARKS:
        return notice.telling.value
    worst_one = notice.problems[0].status.value if notice.problems else "update"
    return f"{MARKS[notice.telling]}{worst_one}"


def summary(notice: Notice) -> str:
    """One line that says what and where."""
    if notice.telling is Telling.TEST:
        return "Emuwatch can reach you"
    if notice.telling is Telling.DIGEST:
        ended = sum(part.telling is Telling.RESOLVED for part in notice.parts)
        return f"{len(notice.parts) - ended} with problems, {ended} well again"
    if notice.workstations:
        if notice.telling is Telling.RESOLVED:
            left = f", still not well: {_named(notice.problems)}" if notice.problems else ""
            return f"site {notice.site}{' is back' if _is_well(notice) else ''}{left}"
        return f"site {notice.site}: {len(notice.problems)} of {notice.workstations} workstations are down"
    told = notice.recovered if notice.telling is Telling.RESOLVED else notice.problems or notice.recovered
    top = told[0] if told else None
    if top is not None and top.kind is SubjectKind.MONITOR:
        return _of_ourselves(notice, top)
    whole = top is None or top.kind is SubjectKind.WORKSTATION
    return _of_workstation(notice, top) if whole else f"{notice.group}: {_named(told)}"


def _is_well(notice: Notice) -> bool:
    """Whether what has ended did so because something is well: it may as well be watched no more."""
    return any(item.status is Status.UP for item in notice.recovered)


def sample() -> Notice:
    """A problem to try a template on."""
    item = Item(
        kind=SubjectKind.WORKSTATION,
        workstation="ws-01",
        category=Category.WORKSTATION,
        status=Status.DOWN,
        since=1.7e9,
        message="ssh:22 timeout, icmp timeout",
        site="berlin",
    )
    return Notice(
        telling=Telling.PROBLEM,
        route="sample",
        group="ws-01",
        at=1.7e9 + 90,
        opened=1.7e9,
        site="berlin",
        problems=(item,),
        affected=20,
        emulators=20,
    )


def _of_ourselves(notice: Notice, top: Item) -> str:
    if notice.telling is Telling.RESOLVED:
        return f"{top.label} after {span(notice.at - notice.opened)}"
    return f"{top.label} is {one_line(top.message)}"


def _of_workstation(notice: Notice, top: Item | None) -> str:
    others = sum(item.kind is not SubjectKind.WORKSTATION for item in notice.problems) + len(_unsaid(notice))
    if notice.telling is Telling.RESOLVED or top is None:
        return f"{notice.group}{f' ({notice.site})' if notice.site else ''} after {span(notice.at - notice.opened)}"
    why = f": {one_line(top.message)}" if top.message else ""
    hit = f", {notice.affected} emulators affected" if notice.affected and top.status is Status.DOWN else ""
    more = f", and {others} more" if others else ""
    return f"{notice.group}{f' ({notice.site})' if notice.site else ''}{hit}{more}{why}"


def _unsaid(notice: Notice) -> list[Item]:
    """Those causes which the words of their workstation leave out: they name what is worst of it."""
    said = "\n".join(item.message for item in notice.problems if item.kind is SubjectKind.WORKSTATION)
    return [item for item in notice.causes if f"{item.name}: {item.message}" not in said]


def _named(items: Sequence[Item]) -> str:
    few = 4
    names = ", ".join(one_line(item.label) for item in items[:few])
    return f"{names} and {len(items) - few} more" if len(items) > few else names


def _item(item: Item, now: float) -> dict[str, Any]:
    name = one_line(item.label)
    whole = item.kind in {SubjectKind.WORKSTATION, SubjectKind.MONITOR}
    here = name if whole else f"{item.workstation} {item.kind} {name}"
    well = item.status is Status.UP
    return {
        **_plain(item),
        "where": here,
        "lasted": span(now - item.since),
        "ending": f"well again since {moment(item.since)}"
        if well
        else "not told any more: it is not watched, or not as before",
    }


def _plain(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind.value,
        "workstation": item.workstation,
        "name": item.name,
        "title": one_line(item.title),
        "site": item.site,
        "labels": dict(item.labels),
        "category": item.category.value,
        "severity": item.severity.label,
        "status": item.status.value,
        "since": item.since,
        "message": one_line(item.message),
        "flapping": item.flapping,
    }
