from __future__ import annotations

import pytest

from monitor.silences import Phase, Repeat, Span
from tests.web.conftest import Client
from tests.web.farm import NOW, TOKEN, Farm, silences
from tests.web.markup import read

HOLDER = {"Authorization": f"Bearer {TOKEN}"}
URL = "/api/v1/silences"


@pytest.fixture
def farm(farm: Farm) -> Farm:
    for silence in silences():
        farm.quiet.put(silence)
    return farm


async def test_page__shows_what_is_active_to_come_and_over(client: Client) -> None:
    async with client.get("/silences") as response:
        text = read(await response.text()).text
    assert text.index("Active 2") < text.index("To come 1") < text.index("Over 1")
    for words in (
        "ws-03",
        "a new disk",
        "in 1 h",
        "site Hall A",
        "0 3 * * sun (Europe/Berlin), for 2 h",
        "ended by lee",
    ):
        assert words in text


async def test_overview__maintenance__is_counted_apart_and_listed_last(client: Client) -> None:
    async with client.get("/") as response:
        text = await response.text()
    page = read(text)
    assert "1 Maintenance" in " ".join(page.text.split())
    rows = [attrs["href"] for attrs in page.all("a") if (attrs["href"] or "").startswith("/workstations/")]
    assert rows[0] == "/workstations/ws-03"
    assert rows[-1] == "/workstations/ws-05"
    assert "silenced, ends in 1 h" in " ".join(page.text.split())
    async with client.get("/?status=degraded") as response:
        assert "/workstations/ws-05" not in await response.text()
    async with client.get("/?status=maintenance") as response:
        listed = await response.text()
    assert "/workstations/ws-05" in listed
    assert "/workstations/ws-03" not in listed


async def test_workstation__says_what_covers_it(client: Client) -> None:
    async with client.get("/workstations/ws-05") as response:
        assert "maintenance, ends in 1 h" in " ".join(read(await response.text()).text.split())


async def test_api__workstations__name_what_covers_them(client: Client) -> None:
    async with client.get("/api/v1/workstations") as response:
        body = await response.json()
    covered = {each["id"]: (each["maintenance"], each["silence"]) for each in body["workstations"]}
    assert (covered["ws-03"], covered["ws-05"], covered["ws-07"]) == ((None, "5eed"), ("a11", None), (None, None))


async def test_listing__by_phase_and_purpose(client: Client) -> None:
    async with client.get(f"{URL}?phase=pending&purpose=maintenance") as response:
        body = await response.json()
    (window,) = body["silences"]
    assert (window["name"], window["configured"], window["starts"]) == ("updates", True, "2026-01-04T02:00:00Z")
    async with client.get(f"{URL}?phase=never") as response:
        assert response.status == 400


async def test_add__for_a_while__begins_now(client: Client, farm: Farm) -> None:
    body = {"workstations": ["ws-0*"], "duration": "2h", "reason": "move", "who": "kim"}
    async with client.post(URL, json=body, headers=HOLDER) as response:
        assert response.status == 201
        made = await response.json()
    silence = farm.quiet.find(made["id"])
    assert silence is not None
    assert (silence.when, silence.who, silence.why) == (Span(NOW, NOW + 7200), "kim", "move")
    assert silence.phase(NOW) is Phase.ACTIVE
    assert (made["phase"], made["kept"], made["purpose"]) == ("active", True, "silence")


async def test_add__again_and_again(client: Client, farm: Farm) -> None:
    body = {"purpose": "maintenance", "schedule": "0 3 * * sun", "duration": "2h", "reason": "updates"}
    async with client.post(URL, json=body, headers=HOLDER) as response:
        made = await response.json()
    silence = farm.quiet.find(made["id"])
    assert silence is not None
    assert (silence.when, silence.who) == (Repeat(schedule="0 3 * * sun", duration=7200.0), "operator")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"duration": "2h"}, "reason: Field required"),
        ({"duration": "2", "reason": "x"}, "duration: 2 has no unit; write 2s"),
        ({"reason": "x"}, "needs one of ends and duration"),
        ({"reason": "x", "ends": "2001-01-01T00:00Z"}, "must be after starts"),
        ({"reason": "x", "starts": "2001-01-01T00:00Z", "duration": "1h"}, "would be over already"),
        ({"reason": "x", "duration": "1h", "workstation": "ws-01"}, "workstation: Extra inputs are not permitted"),
        ({"reason": "x", "duration": "1h", "purpose": "nap"}, "purpose must be one of silence, maintenance"),
        ({"reason": "x", "duration": "1h", "who": 5}, "who must be a text"),
        (["x"], "must be an object"),
    ],
)
async def test_add__wrong__says_what_and_makes_none(client: Client, farm: Farm, body: object, said: str) -> None:
    async with client.post(URL, json=body, headers=HOLDER) as response:
        assert response.status == 400
        assert said in (await response.json())["error"]["message"]
    assert len(list(farm.quiet.each())) == len(silences())


async def test_end__by_id__says_who(client: Client, farm: Farm) -> None:
    async with client.post(f"{URL}/5eed/end", json={"reason": "done", "who": "lee"}, headers=HOLDER) as response:
        over = await response.json()
    assert (over["phase"], over["ended_by"], over["ended"]) == ("ended", "lee", "2026-01-02T00:00:00Z")


@pytest.mark.parametrize(("identity", "status"), [("none", 404), ("config-maintenance-updates", 409)])
async def test_end__unknown_or_of_the_config__is_refused(client: Client, identity: str, status: int) -> None:
    async with client.post(f"{URL}/{identity}/end", json={"reason": "done"}, headers=HOLDER) as response:
        assert response.status == status


@pytest.mark.parametrize("path", [URL, f"{URL}/5eed/end"])
async def test_change__without_the_token__is_refused(client: Client, farm: Farm, path: str) -> None:
    async with client.post(path, json={"reason": "x", "duration": "1h"}) as response:
        assert response.status == 401
    assert len(list(farm.quiet.each())) == len(silences())
