"""What the user typed, to hosts: nothing more, nothing less, nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.ranges import expand
from monitor.discovery.targets import hosts
from monitor.discovery.write import compress


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("pc-01", ("pc-01",)),
        ("192.168.0.[50-52]", ("192.168.0.50", "192.168.0.51", "192.168.0.52")),
        ("pc-[08-10]", ("pc-08", "pc-09", "pc-10")),
        ("10.0.0.0/30", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.4/31", ("10.0.0.4", "10.0.0.5")),
        ("10.0.0.7/32", ("10.0.0.7",)),
        ("fd00::/126", ("fd00::1", "fd00::2", "fd00::3")),
        ("::1", ("::1",)),
    ],
)
def test_hosts__each_notation__is_what_it_says(named: str, meant: tuple[str, ...]) -> None:
    assert hosts([named]) == meant


def test_hosts__named_twice__are_there_once_in_order() -> None:
    assert hosts(["10.0.0.2", "10.0.0.[1-3]"]) == ("10.0.0.2", "10.0.0.1", "10.0.0.3")


def test_hosts__excluded_in_any_notation__are_left_out() -> None:
    named = ["10.0.0.0/28", "pc-[1-3]", "fd00::5"]
    found = hosts(named, excluded=["10.0.0.[1-3]", "10.0.0.8/29", "pc-2", "fd00::/64"])
    assert found == ("10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "pc-1", "pc-3")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("10.0.0.57/24", "write 10.0.0.0/24 or 10.0.0.57"),
        ("10.0.0.0/33", "is no network"),
        ("nonsense/24", "is no network"),
        ("10.0.0.300", "is no IP address"),
        ("10.0.0.[9-1]", "runs backward"),
        ("10.0.0.[1-2", "bracket"),
        ("a b", "neither a host name nor an address"),
        ("-oProxyCommand=x", "neither a host name nor an address"),
        ("", "neither a host name nor an address"),
    ],
)
def test_hosts__anything_else__is_refused_with_what_would_be_right(named: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        hosts([named])


@pytest.mark.parametrize(
    "named", [["10.0.0.0/16"], ["fd00::/64"], ["10.0.[0-255].[1-255]"], ["10.0.0.0/20", "a", "b", "c"]]
)
def test_hosts__too_many__are_refused_before_they_are_listed(named: list[str]) -> None:
    with pytest.raises(ValueError, match=r"more than 4096 hosts.*--max-hosts"):
        hosts(named)


def test_hosts__too_many_but_meant__are_listed() -> None:
    assert len(hosts(["10.0.0.0/16"], most=65536)) == 65534


NAMES = st.one_of(
    st.integers(0, 300).map(lambda number: f"10.0.0.{number}"),
    st.integers(0, 120).map(lambda number: f"pc-{number:02}"),
    st.integers(0, 120).map(lambda number: f"pc-{number}"),
    st.integers(0, 20).map(lambda number: f"ws{number:03}.farm"),
    st.integers(0, 300).map(lambda number: f"fd00::{number:x}"),
    st.sampled_from(["garage", "::1", "pc-00", "pc-0", "pc-000"]),
)


@given(st.lists(NAMES, max_size=40))
def test_compress__any_hosts__stands_for_the_same_ones(names: list[str]) -> None:
    listed = [host for text in compress(names) for host in expand(text)]
    assert sorted(listed) == sorted(set(names))


def test_compress__like_hosts__become_one_range() -> None:
    assert compress([f"192.168.0.{n}" for n in (50, 51, 52, 60, 9)]) == ["192.168.0.[9,50-52,60]"]
    assert compress([f"pc-{n:02}" for n in range(8, 12)]) == ["pc-[08-11]"]
