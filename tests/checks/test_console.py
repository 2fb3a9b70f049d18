"""The console check through the production reach, against scripted consoles behind a real OpenSSH."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from monitor.checks import discover, path_of
from monitor.checks.console import Params
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, EmulatorRun, Key, Observation, Reason, Target, Verdict
from monitor.reach import Transports
from monitor.transports import discover as discover_transports
from tests.sshd import Sshd, a_server

SAMPLES = Path(__file__).parent.parent / "data" / "samples"


class Farm:
    """One workstation on a real server."""

    def __init__(self, sshd: Sshd, transports: Transports) -> None:
        self.folder = sshd.folder
        self.workstation = sshd.workstation
        self._transports = transports

    def target(self, **params: object) -> Target:
        check = discover()["console"]
        valid = Params.model_validate(params)
        path = path_of(check, valid, self.workstation, discover_transports()["ssh"])
        return Target(
            workstation=self.workstation, name="c", kind="console", params=valid, path=path, interval=30, timeout=5
        )

    async def ask(self, **params: object) -> Observation:
        target = await asyncio.to_thread(self.target, **params)
        async with asyncio.timeout(15):
            return await discover()["console"].probe(target, target.params, self._transports.reach(target))

    async def fail(self, **params: object) -> ProbeError:
        with pytest.raises(ProbeError) as caught:
            await self.ask(**params)
        assert caught.value.category is Category.EXTERNAL
        return caught.value

    def program(self, name: str, script: str) -> None:
        """Put a program on the workstation's PATH."""
        path = self.folder / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def prints(self, name: str, arguments: str, sample: str, exit_code: int = 0) -> None:
        """Let a program print a sample when asked as expected."""
        self.program(name, f'[ "$*" = "{arguments}" ] && cat {SAMPLES / sample} && exit {exit_code}\nexit 99')


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with a_server(tmp_path) as sshd:
        kinds = await asyncio.to_thread(discover_transports)
        transports = Transports(kinds=kinds, credentials={"key": sshd.credential})
        yield Farm(sshd, transports)
        await transports.aclose()


def shown(observation: Observation) -> list[tuple[str, EmulatorRun, bool | None]]:
    return [(entity.id, entity.run, entity.expected) for entity in observation.entities or ()]


async def test_mumu__asked__lists_its_instances_and_meets_what_is_expected(farm: Farm) -> None:
    farm.prints("MuMuManager", "info -v all", "mumu-info-all.json")
    observation = await farm.ask(driver="mumu", expect_running=[0])
    assert (observation.verdict, observation.message) == (Verdict.UP, "1 of 3 running")
    assert [entity.title for entity in observation.entities or ()] == ["已登录", "基础游戏包", "基础游戏包-1"]
    assert (await farm.ask(driver="mumu", expect_running=["基础*"])).verdict is Verdict.DOWN


async def test_mumu__that_refuses__is_an_error_of_the_console(farm: Farm) -> None:
    farm.prints("MuMuManager", "info -v all", "mumu-error-index-not-found.json", 56)
    error = await farm.fail(driver="mumu")
    assert error.reason is Reason.COMMAND_FAILED
    assert str(error) == "ws-01 MuMuManager: MuMu refused with error -200: 'player index not found'"


@pytest.mark.parametrize(
    ("driver", "program", "arguments", "sample", "message"),
    [
        ("memu", "memuc", "listvms", "memu-listvms.txt", "1 of 2 running"),
        ("nox", "NoxConsole", "list", "nox-list.txt", "2 of 2 running"),
        ("ldplayer", "ldconsole", "list2", "ld-list2-custom-titles.txt", "1 of 2 running"),
        ("mumu", "MuMuManager", "info -v all", "mumu-info-empty.json", "0 of 0 running"),
    ],
)
async def test_console__of_each_product__is_asked_its_own_way(
    farm: Farm, driver: str, program: str, arguments: str, sample: str, message: str
) -> None:
    farm.prints(program, arguments, sample)
    observation = await farm.ask(driver=driver)
    assert (observation.verdict, observation.message) == (Verdict.UP, message)
    assert {entity.driver for entity in observation.entities or ()} <= {driver}


async def test_console__that_is_not_there__is_an_error_of_the_console(farm: Farm) -> None:
    for driver, program in (("memu", "/opt/me mu/memuc"), ("avd", "/opt/no sdk/emulator")):
        assert (await farm.fail(driver=driver, console=program)).reason is Reason.NOT_INSTALLED


async def test_bluestacks__on_linux__is_our_own_trouble(farm: Farm) -> None:
    with pytest.raises(LocalError, match="on Windows only"):
        await farm.ask(driver="bluestacks")


ADB = """\
case "$*" in
  devices) printf '* daemon started successfully\\nList of devices attached\\n'
           printf 'emulator-5554\\tdevice\\nemulator-5556\\toffline\\n\\n' ;;
  '-s emulator-5554 emu avd name') printf 'Pixel_7\\r\\nOK\\r\\n' ;;
  '-s emulator-5556 emu avd name') printf 'Tablet\\r\\nOK\\r\\n' ;;
esac"""


async def test_avd__on_linux__joins_what_emulator_and_adb_beside_it_tell(farm: Farm) -> None:
    sdk = farm.folder / "bin" / "my sdk"
    emulator = "[ $1 = -list-avds ] && printf 'INFO    | Storing crashdata in: /tmp/x\\nPixel_7\\nOld.one\\nTablet\\n'"
    farm.program("my sdk/emulator/emulator", emulator)
    farm.program("my sdk/platform-tools/adb", ADB)
    observation = await farm.ask(
        driver="avd", console=f"{sdk}/emulator/emulator", expect_running=["Pixel*"], exact=True
    )
    assert shown(observation) == [
        ("avd:Old.one", EmulatorRun.STOPPED, False),
        ("avd:Pixel_7", EmulatorRun.RUNNING, True),
        ("avd:Tablet", EmulatorRun.STARTING, False),
    ]
    assert [entity.adb_port for entity in observation.entities or ()] == [None, 5555, 5557]
    assert observation.message == "Tablet starting unasked"


async def test_avd__without_adb__does_not_call_anything_stopped(farm: Farm) -> None:
    farm.program("emulator", "echo Pixel_7")
    farm.program("adb", "exit 1")
    assert (await farm.fail(driver="avd")).reason is Reason.NOT_INSTALLED


async def test_path__of_a_console__ends_with_its_driver(farm: Farm) -> None:
    target = await asyncio.to_thread(farm.target, driver="mumu")
    assert target.path[-1] == Key(Category.EXTERNAL, "ws-01", "mumu")


async def test_keyed_emulators__expected_by_number__are_not_meant(farm: Farm) -> None:
    farm.program("emulator", "echo Pixel_7")
    farm.program("adb", ADB)
    assert (await farm.ask(driver="avd", expect_running=[0])).message == "no instance 0"


@pytest.mark.parametrize("params", [{}, {"driver": "genymotion"}, {"driver": "mumu", "console": ""}, {"driver": 3}])
def test_params__without_a_known_driver__are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(params)


def test_schema__of_the_driver__lists_them_all() -> None:
    assert Params.model_json_schema()["properties"]["driver"]["enum"] == [
        "avd",
        "bluestacks",
        "ldplayer",
        "memu",
        "mumu",
        "nox",
    ]


@pytest.mark.parametrize("name", ["console", "host", "ldplayer"])
def test_examples__on_top_of_the_module__are_valid(name: str) -> None:
    module = importlib.import_module(f"monitor.checks.{name}")
    examples = re.findall(r"(?m)^ {4}(\{kind:.*\})$", module.__doc__ or "")
    assert examples
    for example in examples:
        section = yaml.safe_load(example)
        assert section.pop("kind") == name
        module.Params.model_validate(section)
