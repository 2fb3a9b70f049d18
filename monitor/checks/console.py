r"""What the console of any emulator says of its instances; `ldplayer` is the same with its driver given.

    {kind: console, driver: mumu, expect_running: [0, "farm-*"]}
    {kind: console, driver: mumu, console: 'C:\Program Files\Netease\MuMu\nx_main\MuMuManager.exe'}
    {kind: console, driver: avd, console: /opt/android-sdk/emulator/emulator}

The path of breakers ends with the driver: one console that hangs silences no other.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from monitor import listing
from monitor.checks import Check, CheckParams, Reach
from monitor.emulators import discover
from monitor.model import Category, Observation, Target

DRIVERS: Final = discover()


def _known(name: str) -> str:
    if name not in DRIVERS:
        raise ValueError(f"there is no driver {name[:40]!r}; there are {', '.join(sorted(DRIVERS))}")
    return name


class Params(CheckParams, listing.Expected):
    """Which console, where it is, and what it should list."""

    driver: Annotated[str, AfterValidator(_known), WithJsonSchema({"enum": sorted(DRIVERS)})]
    """The product: the first half of the ids of its emulators."""
    console: str | None = Field(default=None, min_length=1)
    """Its program, with its folder unless that is on the PATH; for BlueStacks its ``bluestacks.conf``."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """List the instances and compare."""
    driver = DRIVERS[params.driver]
    return await listing.ask(target, driver, params.console or driver.program, params, reach)


CHECK = Check(
    name="console",
    category=Category.EXTERNAL,
    params=Params,
    probe=probe,
    scope=lambda params: params.driver,
    transport=True,
)
