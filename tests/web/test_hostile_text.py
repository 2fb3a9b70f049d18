"""What hosts say goes through every page untouched: it can be ugly, but not harmful, and never makes a 500."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from monitor.model import Fact
from monitor.silences import Matchers, Phase
from monitor.web import pages, query, rows, shapes, words
from tests.web.farm import NOW, a_silence, breaker, check, emulator, healthy, machine, service
from tests.web.markup import read

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "\x00\x1b[2J",
    "\ud800",
    "a\n\r\tb",
    "x" * 10_000,
    "{{ 7*7 }}",
]


def every_page(text: str) -> list[str]:
    """Render each page with the text wherever a host, a config or a reader could put it."""
    workstation = replace(machine(text, site=text, host=text), labels={text: text})
    one = replace(
        healthy("x"),
        workstation=workstation,
        message=text,
        checks=(check(workstation, text, message=text, facts={text: text}),),
        emulators=(emulator(0, text, title=text, message=text),),
    )
    held = breaker(replace(check(workstation, "ssh").target.path[0], scope=text), retry_after=3.0)
    frame = {
        "query": query.Query(site=text, text=text),
        "now": NOW,
        "service": service(last_reload_ok=False, last_reload_problems=(text,)),
        "refresh": 10,
        "can_refresh": True,
        "code": 200,
    }
    page = rows.paginate([one], 1)
    fits = Matchers(workstations=(text,), sites=(text,), subjects=(text,), labels={text: text})
    quiet = a_silence(who=text, why=text, name=text, matchers=fits)
    covered = {text: rows.Overlay(quiet, quiet)}
    overview = {
        "totals": rows.totals([one], 1, covered),
        "sites": [text],
        "page": page,
        "rows": [rows.row(one, {text: [held]}, covered)],
    }
    silences = {"phases": {Phase.ACTIVE: [quiet]}, "counts": {Phase.ACTIVE: 1}, "status": one.status}
    census = {"known": 1, "census": rows.census([held]), "status": one.status, "page": rows.paginate([held], 1)}
    return [
        pages.html("overview", frame | overview).decode(),
        pages.html(
            "workstation", frame | {"state": one, "running": 1, "breakers": [held], "overlay": covered[text]}
        ).decode(),
        pages.html("breakers", frame | census).decode(),
        pages.html("silences", frame | silences).decode(),
        pages.html("error", {"title": "Not Found", "message": text, "code": 404}).decode(),
    ]


@given(ANY_TEXT)
@example(NASTY[0])
@example(NASTY[1])
@example(NASTY[2])
@example(NASTY[3])
@example(NASTY[4])
@example(NASTY[5])
@example(NASTY[6])
@example(NASTY[7])
def test_any_text__leaves_every_page_well_formed(text: str) -> None:
    plain = [[name for name, _ in read(html).elements] for html in every_page("plain")]
    if text.strip():
        assert plain == [[name for name, _ in read(html).elements] for html in every_page(text)]
    else:
        assert all(read(html) for html in every_page(text))


def test_title__is_whole_in_the_tooltip_and_isolated_from_what_follows() -> None:
    title = "\u202eevil " + "long " * 2_000
    page = read(every_page(title)[1])
    assert any(title == attrs.get("title") for attrs in page.all("span"))
    assert "bdi" in {name for name, _ in page.elements}


@given(ANY_TEXT, st.floats())
def test_json__is_strict_whatever_hosts_say(text: str, number: float) -> None:
    state = replace(healthy("x"), message=text, checks=(check(machine("x"), text, facts={"n": number, "s": text}),))
    json.dumps(shapes.detail(state, [], rows.BARE, NOW), allow_nan=False)


@given(st.text(max_size=12), st.floats() | st.integers() | st.booleans() | st.text(max_size=9))
def test_fact__of_any_kind__has_words(name: str, value: Fact) -> None:
    for suffix in ("", "_seconds", "_timestamp_seconds", "_bytes", "_ratio"):
        assert isinstance(words.fact_value(name + suffix, value), str)


@given(st.floats(), st.floats())
def test_moments__of_any_number__have_words(unix: float, now: float) -> None:
    said = [words.relative(unix, now), words.span(unix), words.lasting(unix), words.stamp(unix), words.clock(unix)]
    assert all(said)
    assert words.iso(unix) is None or words.iso(unix)


def test_template__that_names_what_is_not_given__fails() -> None:
    with pytest.raises(UndefinedError):
        pages.html("overview", {"code": 200})


@given(
    st.builds(
        query.Query,
        site=st.text(),
        text=st.text().map(str.strip),
        status=st.sampled_from(query.Show),
        order=st.sampled_from(query.Order),
        page=st.integers(1, 10**8),
        refresh=st.booleans(),
    )
)
def test_query__survives_the_way_through_its_link(asked: query.Query) -> None:
    from yarl import URL  # noqa: PLC0415 - what aiohttp reads a query string with

    assert asked == query.parse(URL("/" + asked.url(page=asked.page), encoded=True).query)
