"""What is not a page: metrics, liveness, reload, JSON; who may change something; what every answer carries."""

from __future__ import annotations

import asyncio
import gzip
import json
from http import HTTPStatus
from unittest.mock import AsyncMock

import pytest
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from pytest_aiohttp.plugin import AiohttpClient
from structlog.testing import capture_logs

from monitor.breaker.machine import State
from monitor.errors import ConfigError, Problem
from monitor.metrics import Scrapes
from monitor.metrics.rendering import Body, Format
from monitor.web import guard, make_app
from monitor.web.assets import STYLE_URL
from monitor.web.scrape import negotiated
from monitor.web.sources import SOURCES
from tests.web.conftest import Client
from tests.web.farm import SECRET, TOKEN, Farm, service
from tests.web.markup import read

HOLDER = {"Authorization": f"Bearer {TOKEN}"}
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


async def test_metrics__come_as_text_by_default_and_as_openmetrics_on_request(client: Client) -> None:
    async with client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert [family.name for family in read_text(await response.text())] == ["emuwatch_workstation_status"]
    async with client.get("/metrics", headers=OPENMETRICS) as response:
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()
    families = read_openmetrics(text)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    assert [family.name for family in families] == ["emuwatch_workstation_status"]
    assert text.endswith("# EOF\n")


async def test_metrics__are_compressed_for_who_takes_it(client: Client) -> None:
    url = client.make_url("/metrics")
    async with (
        ClientSession(auto_decompress=False) as session,
        session.get(url, headers={"Accept-Encoding": "gzip"}) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        assert b"emuwatch_workstation_status" in gzip.decompress(await response.read())
    async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ([], False),
        (["*/*"], False),
        (["text/html, */*;q=0.8"], False),
        (["application/openmetrics-text"], True),
        (["application/openmetrics-text;version=1.0.0"], True),
        (["text/plain;q=0.5", "application/openmetrics-text; version=1.0.0; q=0.5"], True),
        (["application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.5"], False),
        (["application/openmetrics-text;version=0.0.1"], False),
        (["application/openmetrics-text;version=2.0.0"], False),
        (["application/openmetrics-text;q=0"], False),
        (["application/openmetrics-text;q=lots, text/plain"], False),
        ([";;,=,q=1;application/openmetrics-text"], False),
        (
            [  # what Prometheus 3 sends
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6",
                "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4",
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ],
            True,
        ),
    ],
)
def test_format__is_the_one_the_scraper_likes_best(accept: list[str], *, openmetrics: bool) -> None:
    assert negotiated(accept, []) == Format(openmetrics=openmetrics)


@pytest.mark.parametrize(
    ("encodings", "packed"),
    [
        ([], False),
        (["gzip"], True),
        (["br, GZIP;q=0.1"], True),
        (["gzip;q=0"], False),
        (["identity", "deflate"], False),
    ],
)
def test_compression__is_used_where_it_is_taken(encodings: list[str], *, packed: bool) -> None:
    assert negotiated([], encodings) == Format(packed=packed)


async def test_metrics__of_the_names_asked_for__are_all_there_is(client: Client) -> None:
    async with client.get("/metrics?name[]=emuwatch_no_such&name[]=emuwatch_workstation_status") as response:
        assert [family.name for family in read_text(await response.text())] == ["emuwatch_workstation_status"]
    async with client.get("/metrics?name[]=emuwatch_no_such", headers=OPENMETRICS) as response:
        assert await response.text() == "# EOF\n"


async def test_metrics__say_how_long_they_are_and_what_they_depend_on(client: Client) -> None:
    async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
        assert int(response.headers["Content-Length"]) == len(await response.read())
        assert response.headers["Vary"] == "Accept, Accept-Encoding"


async def test_scraper__that_hangs_up_in_the_middle__is_no_defect(farm: Farm) -> None:
    app, ended = farm.app(), asyncio.Event()

    @web.middleware
    async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            ended.set()

    app.middlewares.insert(0, noting)
    runner = web.AppRunner(app)  # a test server would cancel the handler, which the real one does not
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    big = Body((b"x" * 2**20,) * 64)
    with capture_logs() as logs, pytest.MonkeyPatch.context() as patch:
        patch.setattr(app[SOURCES].scrapes, "body", AsyncMock(return_value=big))
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(2**16)
        writer.transport.abort()
        async with asyncio.timeout(10):
            await ended.wait()
    await runner.cleanup()
    assert logs == []


async def test_healthy__says_so_while_ready__waits_for_the_checks(client: Client, farm: Farm) -> None:
    farm.service = service(ready=False)
    async with client.get("/-/healthy") as response:
        assert response.status == 200
    async with client.get("/-/ready") as response:
        assert response.status == 503
    farm.service = service(ready=True)
    async with client.get("/-/ready") as response:
        assert (response.status, await response.text()) == (200, "ready\n")


async def test_reload__with_the_token__reloads_once(client: Client, farm: Farm) -> None:
    async with client.post("/-/reload", headers=HOLDER) as response:
        assert (response.status, await response.text(), farm.reloads) == (200, "reloaded\n", 1)
    assert farm.who == "operator"


async def test_reload__with_a_name__is_done_by_whoever_that_is(client: Client, farm: Farm) -> None:
    async with client.post("/-/reload", headers=HOLDER, json={"who": " alice "}) as response:
        assert (response.status, farm.who) == (200, "alice")
    async with client.post("/-/reload", headers=HOLDER, json={"who": 1}) as response:
        assert (response.status, farm.reloads) == (400, 1)


async def test_reload__that_can_not_change_everything__says_what_needs_a_restart(client: Client, farm: Farm) -> None:
    farm.service = service(needs_restart=("listen", "store.url"))
    async with client.post("/-/reload", headers=HOLDER) as response:
        assert await response.text() == "reloaded; needs a restart: listen, store.url\n"
    async with client.post("/-/reload", headers=HOLDER | {"Accept": "application/json"}) as response:
        assert await response.json() == {"reloaded": True, "needs_restart": ["listen", "store.url"]}


async def test_reload__of_a_bad_config__names_every_problem(client: Client, farm: Farm) -> None:
    farm.trouble = ConfigError([Problem("a.yaml", 3, "chekcs", "unknown key"), Problem("a.yaml", None, "", "empty")])
    async with client.post("/-/reload", headers=HOLDER) as response:
        assert response.status == 422
        assert "a.yaml:3: chekcs: unknown key\na.yaml: empty\n" in await response.text()
    async with client.post("/-/reload", headers=HOLDER | {"Accept": "application/json"}) as response:
        assert await response.json() == {
            "reloaded": False,
            "problems": ["a.yaml:3: chekcs: unknown key", "a.yaml: empty"],
        }


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer é",
        f"Bearer {TOKEN} x",
    ],
)
async def test_change__without_the_token__is_401_and_changes_nothing(
    given: str | None, client: Client, farm: Farm
) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with client.post("/-/reload", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="emuwatch"'
        assert TOKEN not in await response.text()
    assert farm.reloads == 0


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "file://", "http://127.0.0.1:1", "", "javascript:x"]
)
async def test_change__from_a_page_of_another_origin__is_403_in_spite_of_the_token(
    origin: str, client: Client, farm: Farm
) -> None:
    async with client.post("/-/reload", headers=HOLDER | {"Origin": origin}) as response:
        assert response.status == 403
    assert farm.reloads == 0


async def test_change__from_our_own_page__is_let_through(farm: Farm, aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(farm.app(external_url="https://farm.example/emuwatch/"))
    for origin in (str(client.make_url("")).rstrip("/"), "https://farm.example", "https://FARM.example"):
        async with client.post("/-/reload", headers=HOLDER | {"Origin": origin}) as response:
            assert response.status == 200, origin
    async with client.post("/-/reload", headers=HOLDER | {"Origin": "http://farm.example"}) as response:
        assert response.status == 403, "another scheme is another origin"


async def test_every_route__that_may_change_something__needs_the_token(client: Client) -> None:
    """Walk the router: whatever method is not known to be safe is guarded, whoever added it."""
    methods = {"POST", "PUT", "PATCH", "DELETE", "PROPFIND"}
    paths = {"/no/such/page"}
    for route in client.app.router.routes():
        assert route.resource is not None
        paths.add(route.resource.canonical.replace("{id}", "ws-01"))
        methods |= {route.method} - guard.SAFE
    assert "/-/reload" in paths
    for path in sorted(paths):
        for method in sorted(methods):
            async with client.request(method, path) as response:
                assert response.status == 401, f"{method} {path}"


async def test_route__added_later__is_guarded_by_construction(farm: Farm, aiohttp_client: AiohttpClient) -> None:
    app = farm.app()

    async def wipe(_request: web.Request) -> web.Response:
        return web.Response(text="wiped")

    app.router.add_route("*", "/later", wipe)
    client = await aiohttp_client(app)
    async with client.delete("/later") as response:
        assert response.status == 401
    async with client.delete("/later", headers=HOLDER) as response:
        assert response.status == 200


def test_token__that_is_empty__is_refused_at_once(farm: Farm) -> None:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - only here

    with pytest.raises(ValueError, match="token is empty"):
        make_app(
            fleet=farm,
            breakers=farm,
            scrapes=Scrapes(registry=CollectorRegistry()),
            token=" ",
            reload=farm.reload,
            status=service,
        )


async def test_sources__do_not_show_the_token(client: Client) -> None:
    assert TOKEN not in repr(client.app[SOURCES])


@pytest.mark.parametrize(
    "path", ["/", "/breakers", "/metrics", "/-/healthy", "/api/v1/breakers", "/nope", "/static/style.css"]
)
async def test_every_answer__carries_the_security_headers_and_stays_out_of_caches(client: Client, path: str) -> None:
    async with client.get(path) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "emuwatch"


async def test_style__is_small_named_by_its_content_and_kept_for_ever(client: Client) -> None:
    async with client.get("/") as response:
        page = read(await response.text())
    assert STYLE_URL in [attrs["href"] for attrs in page.all("link")]
    async with client.get(STYLE_URL) as response:
        assert response.content_type == "text/css"
        assert "immutable" in response.headers["Cache-Control"]
        assert len(await response.read()) < 12_500


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/nope", "text/html", "text/html"),
        ("/nope", "*/*", "text/html"),
        ("/nope", "application/json", "application/json"),
        ("/api/v1/nope", "text/html", "application/json"),
        ("/-/nope", "*/*", "text/plain"),
    ],
)
async def test_error__comes_in_the_clients_format(client: Client, path: str, accept: str, kind: str) -> None:
    async with client.get(path, headers={"Accept": accept}) as response:
        assert (response.status, response.content_type) == (404, kind)
        if kind == "application/json":
            assert (await response.json())["error"].items() >= {"status": 404, "title": "Not Found"}.items()


async def test_method__that_a_route_has_not__is_405_with_what_it_has(client: Client) -> None:
    async with client.get("/-/reload") as response:
        assert response.status == HTTPStatus.METHOD_NOT_ALLOWED
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_defect__is_logged_with_its_traceback_and_shown_as_nothing(
    client: Client, farm: Farm, accept: str
) -> None:
    farm.trouble = RuntimeError(f"boom {SECRET}")
    with capture_logs() as logs:
        async with client.post("/-/reload?token=x", headers=HOLDER | {"Accept": accept}) as response:
            assert response.status == 500
            text = await response.text()
    assert SECRET not in text
    assert "Traceback" not in text
    assert logs == [
        {"event": "request failed", "method": "POST", "path": "/-/reload", "exc_info": True, "log_level": "error"}
    ]


async def test_api__lists_workstations_in_the_documented_shape(client: Client) -> None:
    async with client.get("/api/v1/workstations?status=down") as response:
        body = await response.json()
    assert body == {
        "at": "2026-01-02T00:00:00Z",
        "total": 1,
        "offset": 0,
        "limit": 500,
        "next": None,
        "workstations": [
            {
                "id": "ws-03",
                "host": "ws-03.farm.example",
                "site": "Hall A",
                "labels": {"rack": "r3", "owner": "payments"},
                "status": "down",
                "since": "2026-01-01T23:56:40Z",
                "message": "none of 3 endpoints answers: ssh:22 no answer in time, "
                "tcp:3389 no answer in time, icmp 3 of 3 lost",
                "flapping": False,
                "maintenance": None,
                "silence": None,
                "checks": {"up": 0, "degraded": 0, "down": 2, "unknown": 2, "stale": 1},
                "emulators": {"running": 0, "known": 6},
            }
        ],
    }


async def test_api__pages_link_to_the_next_until_the_last(client: Client) -> None:
    seen: list[str] = []
    path: str | None = "/api/v1/workstations?limit=5&order=name&site="
    while path is not None:
        async with client.get(path) as response:
            body = await response.json()
        seen += [each["id"] for each in body["workstations"]]
        path = body["next"]
    assert (len(seen), seen) == (12, sorted(seen))


async def test_api__shows_one_workstation_whole_and_no_parameter(client: Client) -> None:
    async with client.get("/api/v1/workstations/ws-03") as response:
        text = await response.text()
    body = json.loads(text)
    assert SECRET not in text
    assert "params" not in text
    assert [each["name"] for each in body["checks"]] == ["icmp", "tcp-3389", "ssh", "ldplayer"]
    assert body["checks"][2]["blocked_by"] == {
        "key": {"category": "network", "workstation": "ws-03", "scope": "ssh:22"},
        "retry_after_seconds": 42.0,
    }
    assert body["checks"][0]["stale_since"] == "2026-01-01T23:58:10Z"
    assert len(body["emulators"]) == 6
    assert [each["state"] for each in body["breakers"]] == [State.HALF_OPEN, State.OPEN]
    async with client.get("/api/v1/workstations/nope") as response:
        assert response.status == 404


async def test_api__lists_breakers_in_the_documented_shape(client: Client) -> None:
    async with client.get("/api/v1/breakers?state=open") as response:
        body = await response.json()
    assert body["breakers"][1] == {
        "key": {"category": "network", "workstation": "ws-03", "scope": "ssh:22"},
        "state": "open",
        "forced": None,
        "trial_running": False,
        "retry_after_seconds": 42.0,
        "next_trial": "2026-01-02T00:00:42Z",
        "trips": 3,
        "rejections": 1204,
        "failures": {"low": 0, "medium": 0, "high": 11, "critical": 1},
        "open_seconds": 260.0,
        "last_trip": "2026-01-01T23:57:10Z",
        "policy": {"failures": 3, "min_severity": "high", "window_seconds": 105.0, "open_seconds": 60.0},
    }
    assert body["breakers"][0]["forced"] == "open"
    assert body["breakers"][0]["retry_after_seconds"] is None, "infinite is no number in JSON"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "status=purple"])
async def test_api__refuses_what_it_does_not_understand(client: Client, query: str) -> None:
    async with client.get(f"/api/v1/workstations?{query}") as response:
        assert response.status == 400
        assert "error" in await response.json()
