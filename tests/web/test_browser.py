"""The pages in a real browser, without JavaScript: nothing overflows, everything is legible, nothing is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright

from monitor.silences import Matchers
from tests.servers import require_program
from tests.web.farm import NOW, a_silence, breaker, emulator, healthy, mixed, service, silences

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG = "W" * 3_000 + " \u202eRTL <script>document.title='owned'</script>\n\n" + "long words " * 700
PAGES = [
    "/",
    "/?status=down&site=Hall+A",
    "/workstations/ws-03",
    "/workstations/ws-07",
    "/workstations/ws-00",
    "/breakers",
    "/silences",
    "/nope",
]

CONTRAST = """() => {
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length === 3 ? [...n, 1] : n; };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
      if (colour[3] !== 0) throw new Error("half-transparent ground: " + at.className);
    }
    return [255, 255, 255, 1];
  };
  const poor = new Set(); let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("select, .hidden, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    seen += 1;
    if (ratio < 4.5) poor.add(`${element.className}: ${ratio.toFixed(2)} ${node.data.trim().slice(0, 30)}`);
  }
  return {seen, poor: [...poor]};
}"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def address() -> AsyncIterator[str]:
    farm = mixed(12)
    nasty = replace(healthy("ws-00"), message=LONG, emulators=(emulator(0, title=LONG, message=LONG),))
    farm.states.insert(
        0, replace(nasty, workstation=replace(nasty.workstation, host=LONG, site=LONG, labels={LONG: LONG}))
    )
    farm.breakers.append(breaker(replace(farm.breakers[0].key, scope=LONG)))
    farm.service = service(last_reload_ok=False, last_reload_at=NOW - 9, last_reload_problems=(LONG, "a.yaml:3: no"))
    for silence in (*silences(), a_silence(LONG, who=LONG, why=LONG, matchers=Matchers(workstations=(LONG, "ws-00")))):
        farm.quiet.put(silence)
    async with TestServer(farm.app()) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    program = require_program("chromium", "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGS)
        yield browser
        await browser.close()


async def visit(page: Page, url: str) -> list[str]:
    """Open a page; return what the browser complained about, a 404 we asked for aside."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(url)
    return [text for text in said if "404 (Not Found)" not in text]


@pytest.mark.parametrize("width", [360, 800, 1280])
async def test_page__fits_the_screen_and_breaks_no_policy(width: int, address: str, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800})
    page = await context.new_page()
    for path in PAGES:
        assert await visit(page, address + path) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert await page.title() != "owned", path
        assert await page.evaluate("[...document.styleSheets].length") == 1, path
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text__stands_out_from_its_ground_in_both_schemes(scheme: str, address: str, browser: Browser) -> None:
    grounds = set()
    for width in (360, 1280):
        context = await browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = await context.new_page()
        for path in PAGES:
            await visit(page, address + path)
            found = await page.evaluate(CONTRAST)
            assert found["seen"] > 5, path
            assert found["poor"] == [], path
            grounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        await context.close()
    assert grounds == {"rgb(14, 18, 23)" if scheme == "dark" else "rgb(245, 246, 248)"}


async def test_page__without_javascript__shows_all_and_filters(address: str, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await visit(page, address)
    assert await page.get_by_role("row").count() == 14, "a head and 13 workstations"
    await page.get_by_role("combobox", name="Status").select_option("down")
    await page.get_by_role("button", name="Show").click()
    assert await page.get_by_role("rowheader").all_inner_texts() == ["ws-03\nws-03.farm.example · Hall A"]
    await page.get_by_role("link", name="ws-03").click()
    assert await page.get_by_role("heading", level=1).inner_text() == "ws-03"
    assert await page.get_by_text("stale for 1 min 50 s").is_visible()
    await context.close()


async def test_keyboard__gets_to_the_content_and_shows_where_it_is(address: str, browser: Browser) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await visit(page, address)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(12):
        await page.keyboard.press("Tab")
        style = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"
    await context.close()


async def test_summary__stays_in_sight_and_cards_keep_their_roles_on_a_phone(address: str, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 700})
    page = await context.new_page()
    await visit(page, address)
    await page.mouse.wheel(0, 1_200)
    await page.wait_for_function("window.scrollY > 500")
    assert await page.get_by_role("link", name="1 Down").bounding_box() is not None
    assert await page.evaluate("document.querySelector('.top').getBoundingClientRect().top") == 0
    assert await page.get_by_role("row").count() == 13, "the head is not shown"
    await context.close()
