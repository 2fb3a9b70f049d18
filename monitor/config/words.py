"""What pydantic finds wrong, in words an operator can act on, at the place in the file.

Values are shown as they were written, so a filled-in ``${NAME}`` never comes out; under a key that sounds like a secret
none is shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitor.config.environment import Expanded
from monitor.config.problems import Place, Report, meant
from monitor.config.source import Items, Section, shown

M = TypeVar("M", bound=BaseModel)

_SECRET: Final = re.compile(r"passw|passphrase|credentials|secret|token|authorization|cookie|headers", re.IGNORECASE)

_WHOLE = "must be a whole number, not {value}"
_NUMBER = "must be a number, not {value}"
_SWITCH = "must be true or false, not {value}"
_LIST = "must be a list, not {value}"
_MAPPING = "must be a mapping, not {value}"
_CHOICE = "must be {expected}, not {value}"
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "greater_than_equal": "must be at least {ge}, not {value}",
    "greater_than": "must be more than {gt}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "less_than": "must be less than {lt}, not {value}",
    "string_too_short": "must have at least {min_length} characters, not {value}",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_pattern_mismatch": "must match {pattern}, not {value}",
}


def validated(
    model: type[M],
    section: Section,
    report: Report,
    *,
    data: Mapping[str, Any] | None = None,
    known: Iterable[str] = (),
    partial: bool = False,
) -> M | None:
    """Build `model` from a section; report every problem.

    Args:
        model: What to build.
        section: Where the values stand.
        report: Takes the problems.
        data: The values, when they are not the whole section.
        known: Further keys to suggest for an unknown one.
        partial: Go on without the keys that are wrong, and don't ask for missing ones.

    Returns:
        The model; None when it can't be built.

    """
    values = dict(section if data is None else data)
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    for error in errors:
        if not (partial and error["type"] == "missing"):
            report.add(*_problem(error, section, model, known))
    if not partial:
        return None
    wrong = {error["loc"][0] for error in errors if error["loc"]}
    try:
        return model.model_validate({key: value for key, value in values.items() if key not in wrong})
    except ValidationError:
        return None


def _problem(error: ErrorDetails, section: Section, model: type[BaseModel], known: Iterable[str]) -> tuple[Place, str]:
    """One of pydantic's errors: where, and in words."""
    container, key, value = _walk(section, error["loc"])
    place = container.place(key)  # type: ignore[arg-type] # a section's key is text, a list's a number
    if error["type"] == "extra_forbidden":
        names = [*_fields(model, error["loc"][:-1]), *(known if len(error["loc"]) == 1 else ())]
        return place, f"unknown key; {meant(str(key), names)}"
    hidden = _SECRET.search(place.key) is not None
    return place, _words(error, value, section if key is None else value, hidden=hidden)


def _words(error: ErrorDetails, value: object, said: object, *, hidden: bool) -> str:
    """Words for one error; `said` is what a validator may quote from."""
    kind = error["type"]
    context = error.get("ctx", {})
    text = "a value not shown" if hidden and isinstance(value, (str, int, float)) else shown(value)
    if kind == "string_type":
        scalar = isinstance(value, (int, float))
        return f"must be text, not {text}" + (f"; put it in quotes: '{value}'" if scalar and not hidden else "")
    if kind in _WORDS:
        bounds = {key: f"{bound:g}" if isinstance(bound, float) else bound for key, bound in context.items()}
        return _WORDS[kind].format(**{**bounds, "value": text})
    message = str(context.get("error") or error["msg"])
    if hidden:
        return "is not valid (what it is, is not shown)"
    for part in _expanded(said):
        message = part.hide(message)
    return " ".join(message.split())


def _walk(section: Section, loc: tuple[int | str, ...]) -> tuple[Section | Items, str | int | None, object]:
    """Follow pydantic's location through the file: the innermost container, the key in it, and the value there."""
    container: Section | Items = section
    key: str | int | None = None
    value: Any = section
    for step in loc:
        if isinstance(value, (Section, Items)) and key is not None:
            container, key = value, None
        if (isinstance(container, Section) and isinstance(step, str)) and key is None:
            if step in container or step == loc[-1]:
                key, value = step, container.get(step)
        elif isinstance(container, Items) and isinstance(step, int) and key is None and step < len(container):
            key, value = step, container[step]
    return container, key, value


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys a nested model knows."""
    for step in loc:
        field = model.model_fields.get(str(step))
        annotation = field.annotation if field else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        nested = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if not nested:
            return
        model = nested[0]
    yield from model.model_fields


def _expanded(value: object) -> Iterator[Expanded]:
    """All texts with variables filled in, wherever they are in `value`."""
    if isinstance(value, Expanded):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _expanded(part)
    elif isinstance(value, list):
        for part in value:
            yield from _expanded(part)


def mapping(value: object, place: Place, report: Report) -> Section | None:
    """`value` when it is a mapping; else a problem."""
    if isinstance(value, Section):
        return value
    hidden = _SECRET.search(place.key) is not None and isinstance(value, (str, int, float))
    report.add(place, "must be a mapping" if hidden else f"must be a mapping, not {shown(value)}")
    return None
