"""Each channel against a real receiver: an HTTP server, a mail server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from blockbuster import BlockBuster
from pydantic import SecretStr

from monitor.channels import apprise, discover, webhook
from monitor.model import Category, Status, SubjectKind
from monitor.notices import Guard, Item, Message, Notice, Telling
from monitor.posting import Hope, NotSentError
from monitor.wording import Templates
from tests.notify.conftest import Receiver

AT = 1_700_000_000.0
DOWN = Item(
    kind=SubjectKind.WORKSTATION,
    workstation="ws-01",
    site="berlin",
    category=Category.WORKSTATION,
    status=Status.DOWN,
    since=AT - 90,
    message="ssh:22 timeout, icmp timeout",
)
NOTICE = Notice(
    telling=Telling.PROBLEM,
    route="all",
    group="ws-01",
    at=AT,
    opened=AT - 90,
    site="berlin",
    problems=(DOWN,),
    affected=20,
    emulators=20,
)
GUARDS = (Guard(name="ssh:22", state="open", trial_at=AT + 42),)


def a_message(**changes: Any) -> Message:
    return Templates(**changes).compose("k" * 32, NOTICE, url="https://m.example/workstations/ws-01", breakers=GUARDS)


def a_webhook(url: str, **params: Any) -> webhook.Webhook:
    return webhook.Webhook(webhook.Params(url=SecretStr(url), **params), wall=lambda: AT)


def test_default_words__say_what_where_since_when_why_and_what_next() -> None:
    message = a_message()
    assert message.title == "[down] ws-01 (berlin), 20 emulators affected: ssh:22 timeout, icmp timeout"
    assert message.text.splitlines() == [
        "ws-01: down for 1m30s - ssh:22 timeout, icmp timeout",
        "Site: berlin",
        "Since: 2023-11-14 22:11:50 UTC",
        "Emulators affected: 20 of 20",
        "Breaker ssh:22: open, next trial 2023-11-14 22:14:02 UTC",
        "https://m.example/workstations/ws-01",
    ]


def test_own_template__that_fails_on_a_message__falls_back_to_the_default() -> None:
    assert a_message(title="{{ 1 / (affected - 20) }}").title == a_message().title
    assert a_message(title="{{ summary|upper }}\n!").title.startswith("WS-01 (BERLIN)")


def test_template__can_reach_nothing_of_python() -> None:
    assert a_message(text="{{ ''.__class__.__mro__ }}").text == a_message().text


def test_discover__finds_the_channels() -> None:
    assert set(discover()) == {"alertmanager", "apprise", "webhook"}


async def test_webhook__sends_json_with_key_and_signature(receiver: Receiver) -> None:
    hook = a_webhook(receiver.url, secret=SecretStr("hunter2"), headers={"X-Team": SecretStr("ops")})
    await hook.send(a_message())
    await hook.aclose()
    (request,) = receiver.requests
    assert request.headers["X-Emuwatch-Key"] == request.json["key"] == "k" * 32
    assert request.headers["X-Team"] == "ops"
    at, signature = (part.partition("=")[2] for part in request.headers["X-Emuwatch-Signature"].split(","))
    wanted = hmac.new(b"hunter2", at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert (at, hmac.compare_digest(signature, wanted)) == (str(int(AT)), True)
    said = request.json
    assert (said["kind"], said["group"], said["site"], said["since"]) == ("problem", "ws-01", "berlin", AT - 90)
    assert said["problems"][0]["message"] == "ssh:22 timeout, icmp timeout"
    assert said["breakers"] == [{"name": "ssh:22", "state": "open", "trial_at": AT + 42}]


async def test_webhook__with_a_body_template__sends_that(receiver: Receiver) -> None:
    hook = a_webhook(receiver.url, body='{"text": {{ title|json }}}')
    await hook.send(a_message())
    await hook.aclose()
    assert receiver.requests[0].json == {"text": a_message().title}


@pytest.mark.parametrize(
    ("status", "hope"),
    [
        (302, Hope.PERHAPS),
        (400, Hope.NEVER),
        (401, Hope.CONFIG),
        (403, Hope.CONFIG),
        (404, Hope.PERHAPS),
        (410, Hope.PERHAPS),
        (413, Hope.NEVER),
        (429, Hope.AGAIN),
        (500, Hope.AGAIN),
    ],
)
async def test_webhook__that_says_no__is_told_apart(receiver: Receiver, status: int, hope: Hope) -> None:
    receiver.status = status
    hook = a_webhook(receiver.url)
    with pytest.raises(NotSentError) as caught:
        await hook.send(a_message())
    await hook.aclose()
    assert (caught.value.hope, str(caught.value)) == (hope, f"answered HTTP {status}")


async def test_webhook__refused_or_silent__may_be_tried_again_and_hides_its_address(receiver: Receiver) -> None:
    refused = a_webhook("http://127.0.0.1:1/hunter2")
    with pytest.raises(NotSentError, match="connection refused") as caught:
        await refused.send(a_message())
    await refused.aclose()
    assert caught.value.hope is Hope.AGAIN
    assert "hunter2" not in str(caught.value) + repr(refused._params)
    receiver.gate.clear()
    silent = a_webhook(receiver.url, timeout="100ms")
    with pytest.raises(NotSentError, match="no answer in time"):
        await silent.send(a_message())
    await silent.aclose()


def a_chat(url: str, blockbuster: BlockBuster, **params: Any) -> apprise.Chat:
    blockbuster.deactivate()  # a config is read on a thread
    made = apprise.Chat(apprise.Params(url=SecretStr(url), **params))
    blockbuster.activate()
    return made


async def test_apprise__over_http__delivers_title_text_and_key(receiver: Receiver, blockbuster: BlockBuster) -> None:
    chat = a_chat(receiver.url.replace("http://", "json://"), blockbuster)
    await chat.send(a_message())
    (request,) = receiver.requests
    assert request.json["title"] == a_message().title
    assert "ssh:22 timeout" in request.json["message"]
    assert "k" * 32 in request.json["message"]
    assert request.json["type"] == "failure"


@pytest.mark.parametrize(
    ("status", "hope"), [(400, Hope.NEVER), (401, Hope.CONFIG), (404, Hope.PERHAPS), (503, Hope.AGAIN)]
)
async def test_apprise__refused_by_its_service__is_told_apart_and_shows_no_url(
    receiver: Receiver,
    blockbuster: BlockBuster,
    caplog: pytest.LogCaptureFixture,
    status: int,
    *,
    hope: Hope,
) -> None:
    receiver.status = status
    chat = a_chat(receiver.url.replace("http://", "json://user:hunter2@"), blockbuster)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotSentError) as caught:
        await chat.send(a_message())
    assert (caught.value.hope, str(caught.value)) == (hope, f"answered HTTP {status}")
    assert "hunter2" not in caplog.text + repr(chat._params) + str(caught.value)


async def test_apprise__that_hangs__is_given_up_in_time_and_starts_no_more_threads(
    receiver: Receiver, blockbuster: BlockBuster
) -> None:
    receiver.gate.clear()
    chat = a_chat(receiver.url.replace("http://", "json://"), blockbuster, timeout="100ms")
    for _ in range(apprise.HANGING):
        with pytest.raises(NotSentError, match="no answer within"):
            await chat.send(a_message())
    with pytest.raises(NotSentError, match="still hang"):
        await chat.send(a_message())
    receiver.gate.set()
    await receiver.until(lambda: len(receiver.requests) == apprise.HANGING)
    async with asyncio.timeout(10):
        while chat._hanging:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)


class Mailbox:
    """A handler of aiosmtpd that keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - its name for it
        self.mails.append(envelope.content)
        return "250 taken"


async def test_apprise__by_mail__delivers(blockbuster: BlockBuster) -> None:
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"mailto://127.0.0.1:{port}/?from=emuwatch@example.com&to=ops@example.com"
    await a_chat(url, blockbuster).send(a_message())
    server.close()
    (raw,) = mailbox.mails
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == a_message().title
    assert "ssh:22 timeout" in str(mail.get_body().get_content())  # type: ignore[union-attr] # a mail has a body
