"""From what the user typed to the addresses it names, in order and each once. Nothing is guessed or looked up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from monitor.config.ranges import expand, has_range
from monitor.config.shapes import check_host

MOST: Final = 4096
"""How many hosts are taken for meant, unless the user says that more are."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def hosts(named: Sequence[str], *, excluded: Sequence[str] = (), most: int = MOST) -> tuple[str, ...]:
    """List the hosts that `named` stands for: names, addresses, ranges (``192.168.0.[50-57]``), networks (CIDR).

    Args:
        named: What the user typed. The addresses of a network and of its broadcast are no hosts.
        excluded: What is left out, in the same notations.
        most: How many hosts `named` may stand for, before any is left out.

    Raises:
        ValueError: It is none of these, or too much.

    """
    found: dict[str, None] = {}
    left = most
    for text in named:
        some = _hosts(text, left)
        if some is None:
            raise ValueError(f"more than {most} hosts from {text!r} on; say --max-hosts if that is what you mean")
        found.update(dict.fromkeys(some))
        left = most - len(found)
    return tuple(_without(found, excluded))


def _hosts(text: str, most: int) -> Sequence[str] | None:
    """The hosts one word stands for; None: more than `most`."""
    if "/" in text:
        network = _network(text)
        if network.num_addresses > most + 2:
            return None
        found = [str(address) for address in network.hosts()]
    elif has_range(text):
        found = list(expand(text))
    else:
        found = [text]
    for host in found:
        check_host(host)
    return found if len(found) <= most else None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text[:100]!r} is no network; write 192.168.0.0/24") from None
    raise ValueError(f"{text!r} is an address within a network; write {meant.network} or {meant.ip}")


def _without(found: Iterable[str], excluded: Sequence[str]) -> Iterable[str]:
    networks = [_network(text) for text in excluded if "/" in text]
    names: set[str] = set()
    for text in excluded:
        if "/" not in text:
            names.update(expand(text))
    for name in names:
        check_host(name)
    return (host for host in found if host not in names and not any(_inside(host, each) for each in networks))


def _inside(host: str, network: Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
