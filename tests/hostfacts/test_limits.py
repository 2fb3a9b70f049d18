from __future__ import annotations

import re

import pytest

from monitor.hostfacts.limits import PATTERN, parse, shortages, show
from monitor.model import HostFacts, Volume

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "of_100_gib"),
    [
        ("10GiB", 10 * GIB),
        ("1.5GB", 1_500_000_000),
        ("5%", 5 * GIB),
        ("0B", 0),
        ("500 MB", 500_000_000),
        ("64KiB", 65536),
    ],
)
def test_amount__written__is_bytes_or_a_share(text: str, of_100_gib: int) -> None:
    assert parse(text).of(100 * GIB) == of_100_gib
    assert str(parse(text)) == text
    assert re.fullmatch(PATTERN, text.replace(" ", ""))


@pytest.mark.parametrize("text", ["10", 11, "ten GiB", "101%", "-1GB", "1gb", "", None, "1e3GB", "9" * 30 + "B"])
def test_amount__that_is_none__says_what_would_be(text: object) -> None:
    with pytest.raises(ValueError, match=r"write 10GiB, 500MB or 5%|more than all"):
        parse(text)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2.0 KiB"),
        (int(3.2 * GIB), "3.2 GiB"),
        (238 * GIB, "238 GiB"),
        (-5 * GIB, "-5.0 GiB"),
    ],
)
def test_bytes__shown__are_short(number: int, words: str) -> None:
    assert show(number) == words


def test_shortages__of_everything__are_named_with_figures() -> None:
    facts = HostFacts(
        volumes=(
            Volume("C:", 238 * GIB, int(3.2 * GIB)),
            Volume("D:", 100 * GIB, GIB),
            Volume("E:", 100 * GIB, 99 * GIB),
        ),
        memory_total_bytes=16 * GIB,
        memory_available_bytes=GIB // 2,
        commit_limit_bytes=20 * GIB,
        commit_available_bytes=-GIB,
    )
    found = shortages(facts, disk=parse("10GiB"), memory=parse("5%"), commit=parse("1GiB"), volumes=["C:", "E:"])
    assert found == [
        "C: 3.2 GiB of 238 GiB free, limit 10GiB",
        "memory 512 MiB of 16 GiB available, limit 5%",
        "commit -1.0 GiB of 20 GiB available, limit 1GiB",
    ]
    assert shortages(facts, disk=None, memory=None, commit=None, volumes=["C:"]) == []
    unknown = HostFacts()
    assert shortages(unknown, disk=parse("5%"), memory=parse("5%"), commit=parse("5%"), volumes=[]) == []
