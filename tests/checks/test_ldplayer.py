"""What the ldplayer check makes of each kind of answer; no process, no socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.checks.ldplayer import CHECK, Params
from monitor.errors import ProbeError
from monitor.model import Category, EmulatorRun, Key, Observation, Platform, Reason, Target, Verdict, Workstation
from monitor.transports import OUTPUT_LIMIT, Completed

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
FARM = (
    b"0,LDPlayer,0,0,0,-1,-1,960,540,160\r\n"
    b"1,farm-1,9,9,1,8,12,960,540,160\r\n"
    b"2,farm-2,0,0,0,-1,-1,960,540,160\r\n"
    b"3,farm-3,9,9,2,16,-1,960,540,160\r\n"
    b"4,spare,9,9,1,20,24,960,540,160\r\n"
    b"5,ghost,9,9,1,28,-1,960,540,160\r\n"
)


class ScriptedReach:
    """A reach whose workstation prints one thing."""

    def __init__(self, stdout: bytes, exit_code: int = 0, stderr: bytes = b"", code_page: str = "gbk") -> None:
        self._completed = Completed(argv=(), exit_code=exit_code, stdout=stdout, stderr=stderr)
        self._code_page = code_page
        self.asked: list[tuple[tuple[str, ...], Category]] = []
        self.pages_asked = 0

    def mark(self, layer: Category) -> None:
        raise AssertionError(f"the transport marks, not the check: {layer}")

    async def run(
        self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        self.asked.append((tuple(argv), layer))
        return self._completed

    async def code_page(self) -> str:
        self.pages_asked += 1
        return self._code_page

    @property
    def http(self) -> object:
        raise AssertionError("it asks nothing over HTTP")

    def now(self) -> float:
        return 0.0


def a_target(platform: Platform = Platform.WINDOWS) -> Target:
    return Target(
        workstation=Workstation(id="ws-01", host="h", platform=platform),
        name="console",
        kind="ldplayer",
        params=Params(),
        path=(Key(Category.EXTERNAL, "ws-01", "ldplayer"),),
        interval=30,
        timeout=5,
    )


async def seen(stdout: bytes, params: Params | None = None) -> Observation:
    return await CHECK.probe(a_target(), params or Params(), ScriptedReach(stdout))  # type: ignore[arg-type]  # no http


async def failed(
    stdout: bytes, exit_code: int = 0, stderr: bytes = b"", platform: Platform = Platform.WINDOWS
) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await CHECK.probe(a_target(platform), Params(), ScriptedReach(stdout, exit_code, stderr))  # type: ignore[arg-type]  # no http
    assert caught.value.category is Category.EXTERNAL
    assert str(caught.value).startswith("ws-01 ldconsole: ")
    return caught.value


async def test_console__asked__is_asked_for_its_list_as_a_layer_of_its_own() -> None:
    reach = ScriptedReach(FARM)
    await CHECK.probe(a_target(), Params(console="dnconsole"), reach)  # type: ignore[arg-type]  # no http
    assert reach.asked == [(("dnconsole", "list2"), Category.EXTERNAL)]
    assert reach.pages_asked == 0


async def test_titles__beyond_ascii__are_decoded_with_the_code_page_of_the_host() -> None:
    observation = await seen((SAMPLES / "ld-list2-ld14-three-gbk.txt").read_bytes())
    assert [entity.title for entity in observation.entities or ()] == ["万龙游戏", "万龙1号", "雷电模拟器-1-2"]


async def test_listing__with_nothing_expected__is_up_and_tells_every_instance() -> None:
    observation = await seen(FARM)
    assert (observation.verdict, observation.reason, observation.message) == (Verdict.UP, None, "2 of 6 running")
    assert observation.facts == {
        "instances": 6,
        "instances_running": 2,
        "instances_starting": 1,
        "instances_stopped": 2,
        "instances_degraded": 1,
    }
    assert [(e.id, e.title, e.run, e.adb_port, e.pids, e.expected) for e in observation.entities or ()][:3] == [
        ("ldplayer:0", "LDPlayer", EmulatorRun.STOPPED, 5555, (), None),
        ("ldplayer:1", "farm-1", EmulatorRun.RUNNING, 5557, (8, 12), None),
        ("ldplayer:2", "farm-2", EmulatorRun.STOPPED, 5559, (), None),
    ]


@pytest.mark.parametrize(
    ("expected", "verdict", "message"),
    [
        (("farm-1", 4), Verdict.UP, "2 of 6 running"),
        (("farm-*",), Verdict.DOWN, "farm-2 stopped; farm-3 starting"),
        (("farm-3",), Verdict.DEGRADED, "farm-3 starting"),
        (("farm-[13]",), Verdict.DEGRADED, "farm-3 starting"),
        ((5,), Verdict.DOWN, "ghost degraded"),
        ((2, 7), Verdict.DOWN, "farm-2 stopped; no instance 7"),
        (("shop-*",), Verdict.DOWN, "no instance is called 'shop-*'"),
        (("4",), Verdict.DOWN, "no instance is called '4'"),
    ],
)
async def test_expectation__met_or_not__is_judged_by_title_and_index(
    expected: tuple[int | str, ...], verdict: Verdict, message: str
) -> None:
    observation = await seen(FARM, Params(expect_running=expected))
    assert (observation.verdict, observation.message) == (verdict, message)
    assert observation.reason is (None if verdict is Verdict.UP else Reason.UNEXPECTED)


async def test_entities__expected_and_not__say_so_only_as_far_as_somebody_said() -> None:
    loose = await seen(FARM, Params(expect_running=("farm-1",)))
    exact = await seen(FARM, Params(expect_running=("farm-1",), exact=True))
    assert [entity.expected for entity in loose.entities or ()] == [None, True, None, None, None, None]
    assert [entity.expected for entity in exact.entities or ()] == [False, True, False, False, False, False]
    assert (exact.verdict, exact.reason) == (Verdict.DEGRADED, Reason.UNEXPECTED)
    assert exact.message == "farm-3 starting unasked; spare running unasked; ghost degraded unasked"


async def test_many_instances__down__are_counted_after_the_first_ten() -> None:
    rows = b"".join(b"%d,farm,0,0,0,-1,-1\r\n" % index for index in range(50))
    observation = await seen(rows, Params(expect_running=("farm",)))
    assert observation.message == "; ".join(["farm stopped"] * 10 + ["and 40 more"])


async def test_line__that_is_no_row__is_told_and_costs_no_instance() -> None:
    observation = await seen(FARM + b"\x1b[31mwarning\r\n")
    assert (observation.verdict, observation.reason) == (Verdict.DEGRADED, Reason.PROTOCOL)
    assert observation.message == r"1 lines are no rows, first: '\x1b[31mwarning'"
    assert len(observation.entities or ()) == 6


async def test_index__listed_twice__counts_once_and_is_told() -> None:
    observation = await seen(b"1,first,9,9,1,8,12\r\n1,second,0,0,0,-1,-1\r\n")
    assert (observation.verdict, observation.message) == (Verdict.DEGRADED, "index 1 listed 2 times")
    assert [(entity.index, entity.title) for entity in observation.entities or ()] == [(1, "first")]


async def test_usage_text__instead_of_a_list__is_a_protocol_error_that_tells_the_version() -> None:
    error = await failed((SAMPLES / "ld-banner-v14-0-26.txt").read_bytes(), exit_code=4294966296)
    assert error.reason is Reason.PROTOCOL
    assert "LDPlayer 14.0.26.1 printed its usage text" in str(error)


@pytest.mark.parametrize("sample", ["ld-banner-old.txt", "ld-error-player-missing.txt", "ld-list2-empty.txt"])
async def test_answer__without_any_instance__is_a_protocol_error(sample: str) -> None:
    assert (await failed((SAMPLES / sample).read_bytes())).reason is Reason.PROTOCOL


@pytest.mark.parametrize(
    ("platform", "exit_code", "stderr"),
    [
        (Platform.LINUX, 127, b"sh: 1: ldconsole: not found\n"),
        (Platform.LINUX, 126, b"Permission denied"),
        (Platform.WINDOWS, 9009, b""),
        (Platform.WINDOWS, 49, b""),
        (Platform.WINDOWS, 1, b"'ldconsole' is not recognized as an internal or external command\r\n"),
    ],
)
async def test_console__that_is_not_there__is_not_installed(platform: Platform, exit_code: int, stderr: bytes) -> None:
    error = await failed(b"", exit_code, stderr, platform)
    assert (error.reason, error.recoverable) == (Reason.NOT_INSTALLED, False)


async def test_list__with_a_failing_exit_code__is_not_trusted() -> None:
    error = await failed(FARM, exit_code=4294966295)
    assert (error.reason, str(error)) == (
        Reason.COMMAND_FAILED,
        "ws-01 ldconsole: list2 failed with exit code -1001",
    )


async def test_probe__expectations_per_emulator__first_that_fits_counts() -> None:
    params = Params.model_validate(
        {
            "expect": [
                {"emulator": "farm-3", "state": "any"},
                {"emulator": "farm-*", "state": "running"},
                {"emulator": "spare", "state": "stopped"},
            ],
            "boot_limit": "1m30s",
        }
    )
    told = await seen(FARM, params)
    assert [entity.expected for entity in told.entities or ()].count(None) >= 1
    by_title = {entity.title: entity.expected for entity in told.entities or ()}
    assert (by_title["farm-1"], by_title["farm-3"], by_title["spare"]) == (True, None, False)
    assert "spare running unasked" in told.message
    assert "farm-3" not in told.message
    assert {entity.boot_limit for entity in told.entities or ()} == {90.0}


@pytest.mark.parametrize(
    "bad",
    [
        {"expected": []},
        {"expect": [{"emulator": 0, "state": "up"}]},
        {"boot_limit": 60},
        {"expect_running": [1.5]},
        {"expect_running": [True]},
        {"console": ""},
    ],
)
def test_params__that_mean_nothing__are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(bad)
