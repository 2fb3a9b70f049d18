"""The winrm check through the production reach, against the simulated service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from monitor.checks import discover, path_of, travelled, winrm
from monitor.checks.winrm import CHECK, Params, judge
from monitor.dispatch import Dispatcher, places
from monitor.errors import ProbeError
from monitor.metrics.catalogue import FACTS
from monitor.model import Category, Key, Observation, Reason, Target, TransportSpec, Verdict, Workstation
from monitor.reach import Transports
from monitor.transports import Completed
from monitor.transports import discover as discover_transports
from monitor.transports.winrm import TRANSPORT
from monitor.transports.winrm import Params as WinRmParams
from tests.winrm import OPERATOR, Service, a_certificate, a_service, eventually, threads

NOW = 1_800_000_000.0
DAY = 86400.0
CHECKS, KINDS = discover(), discover_transports()


def a_target(service: Service, params: Params, **way: object) -> Target:
    spec = TransportSpec("winrm", WinRmParams.model_validate({"port": service.port, "credential": "farm", **way}))
    where = Workstation(id="ws-01", host="127.0.0.1", transport=spec)
    path = path_of(CHECK, params, where, TRANSPORT)
    return Target(
        workstation=where,
        name="winrm",
        kind="winrm",
        params=params,
        path=path,
        through=travelled(CHECK, path),
        interval=30.0,
        timeout=1.0,
        lane=TRANSPORT.lane,
    )


@pytest.fixture
async def transports() -> AsyncIterator[Transports]:
    transports = Transports(kinds=KINDS, credentials={"farm": OPERATOR}, clock=time.time)
    yield transports
    await transports.aclose()


async def ask(transports: Transports, target: Target) -> Observation:
    dispatcher = Dispatcher(checks=CHECKS, reach=transports.reach, places=places(4))
    async with dispatcher.place(target, suspect=False):
        return await dispatcher.probe(target)


async def test_probe__of_a_shell_that_answers__is_up(transports: Transports) -> None:
    async with a_service() as service:
        target = a_target(service, Params(expect="^emuwatch"))
        assert target.path == (
            Key(Category.NETWORK, "ws-01", f"winrm:{service.port}"),
            Key(Category.WORKSTATION, "ws-01", "winrm"),
        )
        assert target.through == 0
        seen = await ask(transports, target)
        await transports.aclose()
    assert seen.verdict is Verdict.UP
    assert seen.message == "the shell opened, echo ended with 0"
    assert seen.facts == {"exit_code": 0}


async def test_probe__over_https__tells_when_the_certificate_ends(transports: Transports, tmp_path: Path) -> None:
    pem = tmp_path / "service.pem"
    end = a_certificate(pem)
    async with a_service(tls=pem) as service:
        params = Params(certificate_days=31)
        seen = await ask(transports, a_target(service, params, https=True, auth="basic", ca_file=pem))
        await transports.aclose()
    assert seen.facts["certificate_end_timestamp_seconds"] == end.timestamp()
    assert "certificate_end_timestamp_seconds" in FACTS
    assert seen.facts["exit_code"] == 0
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.THRESHOLD)
    assert seen.message.endswith("the certificate ends in 30.0 days")


@pytest.mark.parametrize("kind", ["host", "ldplayer"])
async def test_probe__of_whatever_travels_over_https__tells_when_the_certificate_ends(
    transports: Transports, tmp_path: Path, kind: str
) -> None:
    pem = tmp_path / "service.pem"
    end = a_certificate(pem)
    async with a_service(tls=pem) as service:
        check = CHECKS[kind]
        target = a_target(service, Params(), https=True, auth="basic", ca_file=pem)
        params = check.params()
        path = path_of(check, params, target.workstation, TRANSPORT)
        seen = await ask(transports, replace(target, kind=kind, params=params, path=path, timeout=5.0))
        await transports.aclose()
    assert seen.facts["certificate_end_timestamp_seconds"] == end.timestamp()
    assert len(seen.facts) > 1


async def test_probe__of_a_console_that_hangs__times_out_and_frees_its_thread(transports: Transports) -> None:
    async with a_service() as service:
        service.endpoint.hang(hanging=True)
        with pytest.raises(ProbeError, match="login or command not done within 1 s") as caught:
            await ask(transports, a_target(service, Params(command=("ldconsole", "list"))))
        await eventually(lambda: not threads(), within=0.5)
        assert (caught.value.category, caught.value.reason) == (Category.WORKSTATION, Reason.TIMEOUT)
        await eventually(lambda: not service.endpoint.shells)


def done(exit_code: int = 0, stdout: bytes = b"WS-01\r\n", **facts: float) -> Completed:
    return Completed(argv=("hostname",), exit_code=exit_code, stdout=stdout, stderr=b"", facts=facts)


@pytest.mark.parametrize(
    ("completed", "params", "verdict", "reason"),
    [
        (done(), Params(), Verdict.UP, None),
        (done(exit_code=1), Params(), Verdict.DOWN, Reason.COMMAND_FAILED),
        (done(exit_code=1), Params(exit_code=1), Verdict.UP, None),
        (done(), Params(expect="^WS-01"), Verdict.UP, None),
        (done(), Params(expect="^WS-02"), Verdict.DOWN, Reason.UNEXPECTED),
        (done(certificate_end_timestamp_seconds=NOW + 20 * DAY), Params(certificate_days=14), Verdict.UP, None),
        (
            done(certificate_end_timestamp_seconds=NOW + 13 * DAY),
            Params(certificate_days=14),
            Verdict.DEGRADED,
            Reason.THRESHOLD,
        ),
        (done(certificate_end_timestamp_seconds=NOW - DAY), Params(), Verdict.UP, None),
    ],
)
def test_judge__holds_the_answer_against_what_is_expected(
    completed: Completed, params: Params, verdict: Verdict, reason: Reason | None
) -> None:
    seen = judge(completed, params, "cp1252", NOW)
    assert (seen.verdict, seen.reason) == (verdict, reason)
    assert seen.facts == {"exit_code": completed.exit_code}


def test_examples__on_top_of_the_module__are_valid() -> None:
    sections = [yaml.safe_load(line) for line in (winrm.__doc__ or "").splitlines() if line.startswith("    {kind:")]
    assert [section.pop("kind") for section in sections] == ["winrm", "winrm"]
    for section in sections:
        Params.model_validate(section)


def test_params__with_a_pattern_that_is_none__are_refused() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        Params(expect="(")


async def test_probe__of_a_port_nobody_listens_on__is_the_networks_fault(transports: Transports) -> None:
    async with a_service() as service:
        target = a_target(service, Params())
    with pytest.raises(ProbeError) as caught:
        await asyncio.wait_for(ask(transports, target), 2)
    assert (caught.value.category, caught.value.reason) == (Category.NETWORK, Reason.REFUSED)
