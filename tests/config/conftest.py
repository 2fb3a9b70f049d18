"""Small checks and transports of our own, so that these tests are about the config and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr, field_validator

from monitor.checks import AnyCheck, Check, CheckParams, Reach, icmp
from monitor.config import Config, load_text
from monitor.errors import ConfigError
from monitor.logins import Logins
from monitor.model import Category, Lane, Observation, Target, Workstation
from monitor.transports import AnyTransportKind, Credential, Transport, TransportKind, TransportParams


class TcpParams(CheckParams):
    port: int = Field(ge=1, le=65535)


class HttpParams(CheckParams):
    url: str
    status: list[int] = Field(default=[200])
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    method: Literal["GET", "HEAD"] = "GET"
    follow: bool = True
    certificate: Path | bool = True
    credential: str | None = None

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if not url.startswith("http"):
            raise ValueError(f"{url} is no web address")
        return url


class IcmpParams(icmp.Params):
    count: int = 3
    loss: float = Field(default=0.5, ge=0, le=1)


class ConsoleParams(CheckParams):
    console: str = "ldconsole.exe"
    expect_running: list[str] = Field(default_factory=list)


class AdbParams(CheckParams):
    via: Literal["auto", "tunnel"] = "auto"


def _no_tunnel(params: AdbParams, kind: AnyTransportKind) -> tuple[str, str] | None:
    return ("via", f"{kind.name} has no tunnel; leave via out") if params.via == "tunnel" and not kind.tunnels else None


async def _probe(target: Target, params: CheckParams, reach: Reach) -> Observation:
    return Observation()


CHECKS: Mapping[str, AnyCheck] = {
    "tcp": Check(
        name="tcp",
        category=Category.NETWORK,
        params=TcpParams,
        probe=_probe,
        scope=lambda params: f"tcp:{params.port}",
    ),
    "http": Check(
        name="http", category=Category.NETWORK, params=HttpParams, probe=_probe, scope=lambda params: params.url
    ),
    "icmp": Check(
        name="icmp",
        category=Category.NETWORK,
        params=IcmpParams,
        probe=_probe,
        scope=lambda _: "icmp",
        fits=icmp.fits,
        lane=Lane.PROCESS,
    ),
    "ssh": Check(name="ssh", category=Category.WORKSTATION, params=CheckParams, probe=_probe, transport="ssh"),
    "ldplayer": Check(
        name="ldplayer",
        category=Category.EXTERNAL,
        params=ConsoleParams,
        probe=_probe,
        scope=lambda _: "ldplayer",
        transport=True,
    ),
    "host": Check(
        name="host",
        category=Category.EXTERNAL,
        params=CheckParams,
        probe=_probe,
        scope=lambda _: "host",
        transport=True,
        timeout=15.0,
    ),
    "adb": Check(
        name="adb",
        category=Category.EMULATOR,
        params=AdbParams,
        probe=_probe,
        scope=lambda _: "guest",
        transport=True,
        served=_no_tunnel,
    ),
}


class LocalParams(TransportParams):
    pass


class SshParams(TransportParams):
    port: int = Field(default=22, ge=1, le=65535)
    known_hosts: Path | None = None


def _open(
    workstation: Workstation, params: TransportParams, credential: Credential | None, logins: Logins
) -> Transport:
    raise AssertionError("a config opens nothing")


TRANSPORTS: Mapping[str, AnyTransportKind] = {
    "local": TransportKind(name="local", params=LocalParams, open=_open, endpoint=lambda _: None, lane=Lane.PROCESS),
    "ssh": TransportKind(
        name="ssh", params=SshParams, open=_open, endpoint=lambda params: f"ssh:{params.port}", tunnels=True
    ),
    "winrm": TransportKind(name="winrm", params=LocalParams, open=_open, endpoint=lambda _: "winrm:5985"),
}


@pytest.fixture(scope="session")
def checks() -> Mapping[str, AnyCheck]:
    return CHECKS


@pytest.fixture(scope="session")
def transports() -> Mapping[str, AnyTransportKind]:
    return TRANSPORTS


Attempt = Callable[[str], Config | ConfigError]


@pytest.fixture(scope="session")
def attempt(checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]) -> Attempt:
    """Load a text with PASSWORD=hunter2 in the environment: the config, or all that is wrong with it."""

    def outcome(text: str) -> Config | ConfigError:
        try:
            return load_text(text, environ={"PASSWORD": "hunter2"}, checks=checks, transports=transports)
        except ConfigError as error:
            return error

    return outcome
