"""The pages, over a real socket: what they show, in which order, of how much."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from monitor.isolation import Reached
from monitor.model import Status
from tests.web.conftest import Client
from tests.web.farm import NOW, SECRET, Farm, breaker, dead, healthy, service, unasked
from tests.web.markup import Strict, read

PAGES = [
    "/",
    "/?order=site&status=not_up",
    "/workstations/ws-07",
    "/workstations/ws-99",
    "/breakers",
    "/breakers?state=open",
]


async def get(client: Client, path: str, status: int = 200) -> Strict:
    async with client.get(path) as response:
        assert status == response.status
        assert response.content_type == "text/html"
        return read(await response.text())


def listed(page: Strict) -> list[str]:
    return [
        (attrs["href"] or "").removeprefix("/workstations/")
        for attrs in page.all("a")
        if (attrs["href"] or "").startswith("/workstations/")
    ]


@pytest.mark.parametrize("path", PAGES)
async def test_page__is_well_formed_and_shows_no_parameter_of_a_check(client: Client, path: str) -> None:
    async with client.get(path) as response:
        text = await response.text()
    page = read(text)
    assert SECRET not in text
    assert page.all("script") == []
    assert all("style" not in attrs and not any(name.startswith("on") for name in attrs) for _, attrs in page.elements)


@pytest.mark.parametrize(
    "path", [*PAGES, "/metrics", "/-/healthy", "/-/ready", "/api/v1/workstations", "/api/v1/breakers"]
)
async def test_head__answers_as_get_without_a_body(client: Client, path: str) -> None:
    async with client.head(path) as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_overview__lists_the_worst_first_with_why_and_since(client: Client) -> None:
    page = await get(client, "/")
    assert listed(page)[:5] == ["ws-03", "ws-05", "ws-07", "ws-99", "ws-01"]
    assert "none of 3 endpoints answers" in page.text
    assert "3 min ago" in page.text
    assert "0 of 6 running" in page.text


async def test_overview__shows_when_the_next_trial_of_an_open_breaker_is(client: Client) -> None:
    page = await get(client, "/")
    assert "ssh:22 open, trial in 42 s" in page.text
    assert "icmp half open, trial running" in page.text
    assert "ldplayer open, held open by operator" in page.text
    assert "ssh open, trial due" in page.text


async def test_overview__sums_up_the_whole_fleet_whatever_is_filtered(client: Client) -> None:
    page = await get(client, "/?status=down")
    assert listed(page) == ["ws-03"]
    assert "12 All 1 Down 2 Degraded 1 Unknown 8 Up" in page.text
    assert "51 of 64 emulators running · 4 breakers open" in page.text


async def test_overview__takes_one_snapshot_per_request(client: Client, farm: Farm) -> None:
    await get(client, "/")
    assert farm.snapshots == 1


async def test_filters__by_site_and_text_and_order_compose(client: Client) -> None:
    assert listed(await get(client, "/?site=Hall+A&status=not_up")) == ["ws-03", "ws-05"]
    assert listed(await get(client, "/?text=S-07.FARM")) == ["ws-07"]
    assert listed(await get(client, "/?order=site"))[:3] == ["ws-99", "ws-03", "ws-05"]
    assert listed(await get(client, "/?order=name"))[:2] == ["ws-01", "ws-02"]
    assert "No workstation matches" in (await get(client, "/?site=Nowhere")).text


async def test_filter__survives_in_form_and_links(client: Client) -> None:
    page = await get(client, "/?site=Hall+B&text=ws")
    assert {"value": "ws"}.items() <= next(attrs for attrs in page.all("input") if attrs["name"] == "text").items()
    assert any("site=Hall+B" in (attrs["href"] or "") for attrs in page.all("a"))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("status=purple", "status: 'purple' is not one of not_up, down, degraded, unknown, up"),
        ("order=x", "order: 'x' is not one of worst, site, name"),
        ("page=0", "page: '0' is not a whole number of at least 1"),
        ("page=-1", "page: '-1' is not a whole number"),
        ("page=%D9%A3", "is not a whole number"),
    ],
)
async def test_filter__that_means_nothing__is_refused_by_name(client: Client, query: str, says: str) -> None:
    assert says in (await get(client, f"/?{query}", 400)).text


async def test_refresh__is_in_the_page_and_can_be_paused(client: Client) -> None:
    page = await get(client, "/?site=Hall+B")
    assert [attrs for attrs in page.all("meta") if "http-equiv" in attrs] == [
        {"http-equiv": "refresh", "content": "10"}
    ]
    (pause,) = (attrs["href"] for attrs in page.all("a") if "refresh=off" in (attrs["href"] or ""))
    page = await get(client, f"/{pause}")
    assert [attrs for attrs in page.all("meta") if "http-equiv" in attrs] == []
    assert "site=Hall+B" in (pause or "")
    assert "Resume" in page.text


async def test_refresh__of_zero__never_reloads_and_offers_no_pause(farm: Farm, aiohttp_client: AiohttpClient) -> None:
    page = await get(await aiohttp_client(farm.app(refresh=0)), "/")
    assert [attrs for attrs in page.all("meta") if "http-equiv" in attrs] == []
    assert "Pause" not in page.text


async def test_icon__of_the_tab_tells_the_worst_status(aiohttp_client: AiohttpClient) -> None:
    icons = set()
    for states in ([], [healthy("a")], [healthy("a"), unasked("b")], [healthy("a"), dead("b")]):
        page = await get(await aiohttp_client(Farm(states=states).app()), "/")
        icons.add(next(attrs["href"] for attrs in page.all("link") if attrs["rel"] == "icon"))
    assert len(icons) == 3, "nothing known looks like unknown"


async def test_workstation__shows_checks_emulators_and_breakers(client: Client) -> None:
    text = (await get(client, "/workstations/ws-07")).text
    assert "certificate ends in 5 days" in text
    assert "loss 0 %RTT 34 ms" in text
    assert "Stuck boot" in text
    assert "the console says stopped, ADB answers" in text
    assert "flapping" in text
    assert "held open by operator" in text
    assert "3 of 6 running" in text


async def test_workstation__tells_a_stale_check_and_a_suppressed_one_apart(client: Client) -> None:
    text = (await get(client, "/workstations/ws-03")).text
    assert "stale for 1 min 50 s" in text
    assert "ssh:22 open, next trial in 42 s suppressed" in text


async def test_workstation__moments_are_machine_readable(client: Client) -> None:
    page = await get(client, "/workstations/ws-03")
    assert {"datetime": "2026-01-01T23:56:40Z", "title": "Since 2026-01-01 23:56:40 UTC"} in page.all("time")


@pytest.mark.parametrize("identity", ["nope", "ws-03%2F", "%3Cscript%3E", "%00", "%ED%B2%80", "..%2f..%2fetc%2fpasswd"])
async def test_workstation__that_is_not_there__is_a_404_page(client: Client, identity: str) -> None:
    page = await get(client, f"/workstations/{identity}", 404)
    assert "Not Found" in page.text


@pytest.mark.parametrize("identity", ["a/b", "ü €", "a?b#c", "50%", "a&b=<c>", '"quoted"'])
async def test_workstation__of_any_id__is_reached_by_its_link(identity: str, aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(Farm(states=[healthy(identity)]).app())
    (href,) = (
        attrs["href"] for attrs in (await get(client, "/")).all("a") if (attrs["href"] or "").startswith("/work")
    )
    assert identity in (await get(client, href or "")).text


async def test_breakers__open_first_then_trial_then_forced_then_closed(client: Client) -> None:
    page = await get(client, "/breakers")
    assert "8 All 4 Open 1 Half open 3 Closed 2 Forced" in page.text
    assert listed(page) == ["ws-07", "ws-03", "ws-05", "ws-08", "ws-03", "ws-08", "ws-01", "ws-01"]
    assert listed(await get(client, "/breakers?state=forced")) == ["ws-07", "ws-08"]
    assert "11 high, 1 critical opens at 3 in 1 min 45 s" in page.text


async def test_service__that_starts_or_refused_a_reload__says_so(client: Client, farm: Farm) -> None:
    farm.service = service(
        ready=False,
        shard="2/3",
        last_reload_ok=False,
        last_reload_at=NOW - 30,
        last_reload_problems=("a.yaml:3: <b>: no",),
    )
    text = (await get(client, "/")).text
    assert "Starting:" in text
    assert "The last config reload was refused 30 s ago; the config before it keeps running. a.yaml:3: <b>: no" in text
    assert "shard 2/3" in text


async def test_service__that_is_cut_off__says_since_when_and_which_gateways__on_every_page(
    client: Client, farm: Farm
) -> None:
    silent = (("router", "router icmp: no answer within 2 s"), ("<b>", "refused"))
    farm.service = service(reached=Reached(Status.DOWN, NOW - 90, silent, ()))
    for path in ("/", "/workstations/ws-07", "/breakers"):
        text = (await get(client, path)).text
        assert (
            "We are cut off from the network since 1 min ago: gateway router does not answer (router icmp: no answer "
            "within 2 s); gateway <b> does not answer (refused). What can't be reached meanwhile is unknown, not down"
        ) in text
    farm.service = service(reached=Reached(Status.DOWN, NOW - 90, (), ()))
    assert "no gateway has answered yet" in (await get(client, "/")).text


async def test_service__whose_gateway_can_not_be_asked__says_so(client: Client, farm: Farm) -> None:
    unasked = (("router", "not allowed to send ICMP"),)
    farm.service = service(reached=Reached(Status.UNKNOWN, NOW - 90, (), unasked))
    text = (await get(client, "/")).text
    assert "Nobody knows whether we are cut off: gateway router: not allowed to send ICMP." in text
    farm.service = service(reached=Reached(Status.UP, NOW - 90, (), unasked))
    text = (await get(client, "/")).text
    assert "Not every gateway can be asked: gateway router: not allowed to send ICMP." in text


async def test_service__whose_gateways_answer_or_that_has_none__says_nothing(client: Client, farm: Farm) -> None:
    for reached in (
        None,
        Reached(Status.UP, NOW - 90, (("other", "no answer"),), ()),
        Reached(Status.UNKNOWN, NOW, (), ()),
    ):
        farm.service = service(reached=reached)
        text = (await get(client, "/")).text
        assert "cut off" not in text
        assert "gateway" not in text


@pytest.mark.parametrize("count", [0, 1, 8, 200])
async def test_fleet__of_any_size__is_shown_whole(count: int, aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(Farm(states=[healthy(f"ws-{number:04}") for number in range(count)]).app())
    page = await get(client, "/")
    assert count == len(listed(page))
    assert ("No workstations yet" in page.text) == (count == 0)


async def test_fleet__of_ten_thousand__comes_in_pages_worst_first(aiohttp_client: AiohttpClient) -> None:
    states = [replace(healthy("x"), workstation=healthy(f"ws-{number:05}").workstation) for number in range(9_999)]
    farm = Farm(states=[*states, dead("ws-99999")], breakers=[breaker(dead("x").checks[0].target.path[0])])
    client = await aiohttp_client(farm.app())
    page = await get(client, "/")
    assert listed(page)[0] == "ws-99999"
    assert len(listed(page)) == 200
    assert "Page 1 of 50 (10 000 workstations)" in page.text
    assert listed(await get(client, "/?page=50"))[-1:] == ["ws-09998"]
    assert listed(await get(client, "/?page=99999"))[-1:] == ["ws-09998"]


async def test_page__of_each_status__names_it_in_words(aiohttp_client: AiohttpClient) -> None:
    states = [replace(healthy(f"ws-{status}"), status=status) for status in Status]
    page = await get(await aiohttp_client(Farm(states=states).app()), "/")
    rows = page.text.partition("Emulators")[2]
    assert all(status.value.capitalize() in rows for status in Status)
