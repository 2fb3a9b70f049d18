r"""What LDPlayer's console says of its instances: that it lists them properly, and that the expected ones run.

    {kind: ldplayer, expect_running: ["farm-*", 3]}
    {kind: ldplayer, console: 'C:\LDPlayer\LDPlayer9\ldconsole.exe'}

What an answer comes to is the same for every console: see `monitor.listing`.
"""

from __future__ import annotations

from pydantic import Field

from monitor import listing
from monitor.checks import Check, CheckParams, Reach
from monitor.emulators.ldplayer import DRIVER
from monitor.model import Category, Observation, Target


class Params(CheckParams, listing.Expected):
    """Where the console is, and what it should list."""

    console: str = Field(default=DRIVER.program, min_length=1)
    """``ldconsole`` or ``dnconsole``, with its folder unless that is on the PATH."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """List the instances and compare."""
    return await listing.ask(target, DRIVER, params.console, params, reach)


CHECK = Check(
    name="ldplayer",
    category=Category.EXTERNAL,
    params=Params,
    probe=probe,
    scope=lambda _: DRIVER.name,
    transport=True,
)
