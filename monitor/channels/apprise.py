"""Chat, mail and SMS through apprise: one URL names the service and holds its secrets.

apprise is synchronous: each message is sent on a thread of its own, and the caller's deadline is kept even where a
service hangs. It says only yes or no; why not is told by the HTTP status its services were answered with (`Statuses`).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr

from monitor.channels import ChannelKind, ChannelParams
from monitor.durations import Duration, between
from monitor.model import Status
from monitor.notices import Message, Telling
from monitor.posting import NotSentError, judge

if TYPE_CHECKING:
    from apprise import Apprise

HANGING: Final = 2
"""Threads that may still hang from earlier messages before no more are started."""

_statuses: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("statuses", default=None)


def check_url(secret: SecretStr) -> SecretStr:
    """Accept what apprise understands; what it is, is not shown."""
    if not _understood(secret):
        raise ValueError("is no URL apprise understands; see https://github.com/caronc/apprise/wiki")
    return secret


class Params(ChannelParams):
    """Parameters of apprise."""

    url: Annotated[SecretStr, AfterValidator(check_url)] = Field(
        description='such as tgram://..., slack://..., mailto://...; write it with "${NAME}" or use url_file'
    )
    timeout: Annotated[Duration, between(0.1, 120)] = 20.0


class Chat:
    """An open apprise URL."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._hanging = 0

    async def send(self, message: Message) -> None:
        """See `monitor.channels.Sender`."""
        if self._hanging >= HANGING:
            raise NotSentError("earlier messages still hang")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[bool, list[int]]] = loop.create_future()
        self._hanging += 1

        def report(answer: tuple[bool, list[int]] | None) -> None:
            self._hanging -= 1
            if not ended.done():
                if answer is None:
                    ended.set_exception(NotSentError("apprise failed"))
                else:
                    ended.set_result(answer)

        work = functools.partial(_deliver, self._params.url, message, loop, report)
        threading.Thread(target=work, name="apprise", daemon=True).start()
        try:
            async with asyncio.timeout(self._params.timeout):
                sent, statuses = await ended
        except TimeoutError:
            raise NotSentError(f"no answer within {self._params.timeout:g} s") from None
        if not sent:
            for status in statuses:
                judge(status)
            raise NotSentError("apprise could not deliver it")

    async def aclose(self) -> None:
        """Nothing is kept open; what hangs ends with the process."""


def _deliver(
    url: SecretStr,
    message: Message,
    loop: asyncio.AbstractEventLoop,
    report: Callable[[tuple[bool, list[int]] | None], None],
) -> None:
    """Send one message, on a thread."""
    answer: tuple[bool, list[int]] | None = None
    try:
        with _watching() as statuses:
            answer = (
                bool(_opened(url).notify(title=message.title, body=_body(message), notify_type=_kind(message))),
                statuses,
            )
    except Exception:  # noqa: BLE001 - a hundred services' code; the traceback may quote the URL, so it is not logged
        answer = None
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(report, answer)


def _body(message: Message) -> str:
    return f"{message.text}\n\nkey {message.key}"


def _kind(message: Message) -> Any:
    from apprise import NotifyType  # noqa: PLC0415 - slow to import, and few need it

    notice = message.notice
    if notice.telling is Telling.RESOLVED:
        return NotifyType.SUCCESS
    if not notice.problems:
        return NotifyType.INFO
    return NotifyType.FAILURE if notice.problems[0].status is Status.DOWN else NotifyType.WARNING


@functools.cache
def _load() -> None:
    """Have apprise read its services, once: some of them warn of what they import, and all log what they are told."""
    import apprise  # noqa: PLC0415 - slow to import, and few need it

    for chatty in ("apprise", "urllib3", "requests_oauthlib", "oauthlib"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # they quote addresses, which hold tokens
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apprise.Apprise().add("json://localhost")


def _opened(url: SecretStr) -> Apprise:
    """Let apprise read a URL; it keeps no files."""
    import apprise  # noqa: PLC0415 - slow to import, and few need it

    _load()
    asset = apprise.AppriseAsset(app_id="Emuwatch", app_desc="Emuwatch", async_mode=False, storage_mode="memory")
    opened = apprise.Apprise(asset=asset)
    opened.add(url.get_secret_value())
    return opened


def _understood(url: SecretStr) -> bool:
    return len(_opened(url)) > 0


@contextmanager
def _watching() -> Iterator[list[int]]:
    """Collect the HTTP statuses that requests, which apprise's services use, is answered with on this thread."""
    _watch_requests()
    statuses: list[int] = []
    token = _statuses.set(statuses)
    try:
        yield statuses
    finally:
        _statuses.reset(token)


@functools.cache
def _watch_requests() -> None:
    """Have every session of requests note the status of its answers where somebody collects them.

    apprise's services open and close their sessions themselves and tell nobody what they were answered, so there is no
    other place to learn a refused token from. Whoever does not collect notices nothing.
    """
    import requests  # noqa: PLC0415 - comes with apprise

    send = requests.Session.send

    @functools.wraps(send)
    def noting(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer = send(self, request, **options)
        statuses = _statuses.get()
        if statuses is not None:
            statuses.append(answer.status_code)
        return answer

    requests.Session.send = noting  # type: ignore[method-assign] # see above


CHANNEL = ChannelKind(name="apprise", params=Params, open=Chat, secrets=frozenset({"url"}))
