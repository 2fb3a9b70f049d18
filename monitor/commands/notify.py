"""``emuwatch notify test CHANNEL``: send a real test message by a channel of the config, and say what happened.

Exit codes: 0 sent, 1 not sent, 2 wrong usage or config.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from monitor.channels import AnyChannelKind, discover
from monitor.config import Config, load
from monitor.errors import ConfigError
from monitor.notices import ChannelSpec, Message, Notice, Telling
from monitor.posting import Hope, NotSentError
from monitor.terminal import say
from monitor.wording import Templates

NOT_SENT: Final = 1
USAGE: Final = 2
DEFAULT_CONFIG: Final = Path("config.yaml")
FOLLOWS: Final = {
    Hope.AGAIN: "it would be tried again",
    Hope.PERHAPS: "it would be tried again",
    Hope.CONFIG: "it would wait until that is put right",
    Hope.NEVER: "it would not be tried again",
}
"""What the service would do."""

app = typer.Typer(name="notify", help="Try the channels by which people are told.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Try the channels by which people are told."""


@app.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="The name of a channel of the config.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The config file.", show_default=True)
    ] = DEFAULT_CONFIG,
) -> None:
    """Send a test message and say what happened."""
    try:
        loaded = load(config)
    except ConfigError as error:
        _wrong(str(error))
    spec = loaded.notifications.channels.get(channel)
    if spec is None:
        known = ", ".join(sorted(loaded.notifications.channels)) or "none is configured"
        _wrong(f"{config}: no channel {channel!r}; known are: {known}")
    try:
        asyncio.run(_send(discover()[spec.kind], spec, _message(loaded, spec)))
    except NotSentError as error:
        say(f"{channel} ({spec.kind}): not sent: {error}; {FOLLOWS[error.hope]}", err=True)
        raise typer.Exit(NOT_SENT) from None
    say(f"{channel} ({spec.kind}): sent")


def _message(config: Config, spec: ChannelSpec) -> Message:
    templates = Templates(spec.title or config.notifications.title, spec.text or config.notifications.text)
    notice = Notice(telling=Telling.TEST, route="test", group="test", at=time.time())
    return templates.compose(secrets.token_hex(16), notice, url=config.external_url or "")


async def _send(kind: AnyChannelKind, spec: ChannelSpec, message: Message) -> None:
    sender = kind.open(spec.params)
    try:
        async with asyncio.timeout(kind.timeout):
            await sender.send(message)
    except TimeoutError:
        raise NotSentError(f"no answer within {kind.timeout:g} s") from None
    finally:
        await sender.aclose()


def _wrong(message: str) -> NoReturn:
    say(message, err=True)
    raise typer.Exit(USAGE)
