"""Tests that the page at ``/docs`` is complete, obeys its policy, and is readable on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from floorcast.http.openapi.page import POLICY, page
from floorcast.http.routes import ROUTES
from tests.browser import chromium
from tests.golden.pages import Block, blocks, paste
from tests.http.openapi.whole_document import DOCUMENT
from tests.http.servers import ApiHarness, run_with_harness
from tests.real.server import Server, running

HTML = page(DOCUMENT)


def test_the_page_has_every_method_and_type() -> None:
    """Each method and type has its own anchor."""
    names = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    names += [f"type-{name}" for name in DOCUMENT["components"]["schemas"]]
    assert [name for name in names if f'<article id="{name}">' not in HTML] == []


def test_every_link_has_a_target() -> None:
    """Every link leads to an anchor on the page or to the document. All anchors are unique."""
    ids = re.findall(r'\bid="([^"]+)"', HTML)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="([^"]+)"', HTML))
    assert {link for link in links if link.removeprefix("#") not in ids} == {
        "/openapi.json",
        "https://github.com/floorcast/floorcast/blob/main/docs/metrics.md",
        "data:,",
    }


def test_text_of_the_document_is_escaped() -> None:
    """Descriptions may contain any text."""
    bad = DOCUMENT | {"info": DOCUMENT["info"] | {"description": "<script>`<b>`</script>"}}
    assert page(bad).count("<script") == page(DOCUMENT).count("<script") == 1
    assert "<b>" not in page(bad)


def test_the_page_has_a_content_security_policy() -> None:
    """Only the page's own script may run. The page cannot fetch anything, and cannot be framed."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.get("/docs")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == POLICY
        assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
        assert answer.text == HTML

    run_with_harness(work)


# requests that need the reference's own calls and campaigns
NOT_HERE = (
    "/callData/", "/campaign/stats", "/acknowledge", '/realtime/agentEvent"',
    '/realtime/callEvent"',
)  # fmt: skip


KEYS = """
ALERT=0123456789abcdef
SCREEN_KEY=$(floorcast key new --screen --client ACME --data data)
SCREEN_KEY=${SCREEN_KEY#*=}
until curl -s -X POST $URL/session/screen -H "Authorization: Bearer $SCREEN_KEY" > /dev/null
do sleep 0.2  # until the server has noticed it
done
METRICS_KEY=$(floorcast key new --metrics --client ACME --data data)
until curl -s $URL/metrics/floor -H "Authorization: Bearer $METRICS_KEY" > /dev/null
do sleep 0.2
done
"""


def test_the_pages_requests_can_be_pasted(tmp_path: Path) -> None:
    """The example site accepts each request, or refuses it because the printed ids are unknown."""
    found = [unescape(text) for text in re.findall(r"<code>(curl .*?)</code>", HTML, re.DOTALL)]
    commands = [text for text in found if "/sse" not in text]
    ends = [text for text in commands if "/logout" in text or "/password" in text]
    commands = [text for text in commands if text not in ends] + ends  # they end the session
    set_up = [one for one in blocks("api.md", until="Conventions") if one.kind == "sh"]
    pasted = [
        Block("/docs", "sh refused" if any(name in text for name in NOT_HERE) else "sh", text)
        for text in commands
    ]
    set_up.append(Block("/docs", "sh", KEYS))
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    with running(tmp_path, "--archive", tmp_path / "archive", site=site) as server:
        outputs = paste([*set_up, *pasted], server.url, tmp_path)[len(set_up) :]
    assert len(outputs) >= len(ROUTES) - 4
    for one, output in zip(pasted, outputs, strict=True):
        assert (one.kind == "sh refused") == output.startswith('{"code":'), one.text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def loaded(browser: Browser, server: Server) -> Iterator[tuple[Page, list[str]]]:
    """Yield a browser tab with the page, and its list of messages and requests."""
    with browser.new_context(viewport=PHONE) as context:
        tab = context.new_page()
        seen: list[str] = []
        tab.on("console", lambda message: seen.append(message.text))
        tab.on("request", lambda request: seen.append(request.url.removeprefix(server.url)))
        tab.goto(f"{server.url}/docs")
        yield tab, seen


@pytest.fixture
def phone(loaded: tuple[Page, list[str]]) -> Iterator[tuple[Page, list[str]]]:
    """Yield the phone-sized tab, whose page the tests share, at its top and without a search."""
    tab, _ = loaded
    yield loaded
    tab.get_by_label("Search").fill("")
    tab.set_viewport_size(PHONE)
    tab.evaluate("() => { history.replaceState(null, '', '/docs'); scrollTo(0, 0); }")
    tab.evaluate("document.activeElement.blur()")


def test_the_page_works_on_a_phone(phone: tuple[Page, list[str]]) -> None:
    """The page is styled and not wider than the screen. It loads with one request and no error."""
    tab, seen = phone
    assert seen == ["/docs"]
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('article')).borderStyle") == "solid"
    )
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to content"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#about"


def test_the_variables_have_the_address_of_the_server(
    phone: tuple[Page, list[str]], server: Server
) -> None:
    """A reader of any server can paste the variables."""
    tab, _ = phone
    assert tab.inner_text("main .about pre").startswith(f"URL={server.url}\nAPI_TOKEN=")


def test_requests_fit_beside_their_responses(phone: tuple[Page, list[str]]) -> None:
    """On a wide screen, no body of a request is cut off, if its members are short."""
    tab, _ = phone
    tab.set_viewport_size({"width": 1440, "height": 844})
    assert not tab.evaluate(
        """[...document.querySelectorAll("#logIn .pair pre")]
            .some((one) => one.scrollWidth > one.clientWidth)"""
    )


def shown(tab: Page) -> set[str]:
    """Return the visible methods and types."""
    seen: list[str] = tab.evaluate(
        "[...document.querySelectorAll('article')].filter((one) => !one.hidden).map(({id}) => id)"
    )
    return set(seen)


def test_a_search_on_a_phone_lists_the_matches(phone: tuple[Page, list[str]]) -> None:
    """The matches replace the introduction, with their number. Enter moves to the first."""
    tab, _ = phone
    tab.get_by_label("Search").fill("SCREEN_KEY")
    assert tab.inner_text("nav .found") == "1 match"
    assert tab.locator("nav li a:visible").count() == 1
    assert tab.is_hidden("#about")
    assert tab.locator("main h2:visible").count() == 0
    tab.keyboard.press("Enter")
    top = "document.querySelector('article:not([hidden])').getBoundingClientRect().top"
    assert tab.evaluate(top) < 100
    tab.keyboard.press("Escape")
    assert tab.is_visible("#about")
    assert tab.inner_text("nav .found") == ""


def test_examples_variables_and_retired_methods_are_explained() -> None:
    """Every variable in a request is in the list of variables, and old methods are marked."""
    variables = HTML.partition("set its variables")[2].partition("</pre>")[0]
    used = set(re.findall(r"\$([A-Z_]+)", HTML))
    assert {name for name in used if f"{name}=" not in variables} == set()
    nav = HTML.partition("<nav")[2].partition("</nav>")[0]
    assert nav.count(">retired<") == 4
    assert "Example: own_" not in HTML


def place(tab: Page) -> tuple[str, int]:
    """Return the first method or type in view, and the position of its top."""
    found: list[tuple[str, int]] = tab.evaluate(
        """[...document.querySelectorAll("article:not([hidden])")]
            .map((one) => [one.id, Math.round(one.getBoundingClientRect().top)])
            .filter(([, top]) => top > 0)"""
    )
    return found[0][0], found[0][1]


@pytest.mark.parametrize("width", [390, 1440])
def test_a_search_keeps_the_place(phone: tuple[Page, list[str]], width: int) -> None:
    """A search shows its first match. Without it, the page is where it was, or at the match."""
    tab, _ = phone
    tab.set_viewport_size({"width": width, "height": 844})
    field = tab.get_by_label("Search")
    tab.evaluate("document.getElementById('type-ServiceStatistics').scrollIntoView()")
    if width < 1000:
        field.scroll_into_view_if_needed()
    before = place(tab)
    for key in ("S", "C", "R", "E", "E", "N", "_", "K"):
        field.press(key)
    (match,) = shown(tab)
    assert place(tab)[0] == match
    assert field.evaluate("(one) => one.checkVisibility() && one === document.activeElement")
    field.press("Escape")
    assert place(tab) == before
    field.fill("SCREEN_KEY")
    field.press("Enter")
    there = place(tab)
    assert there[0] == match
    field.press("Escape")
    after = place(tab)
    assert after[0] == match
    assert abs(after[1] - there[1]) <= 1, "positions are rounded"


def test_a_link_leads_to_what_the_search_hides(phone: tuple[Page, list[str]]) -> None:
    """The link ends the search, and so does the way back to what a later search hides."""
    tab, _ = phone
    tab.get_by_label("Search").fill("abandonRate")
    assert "type-StatisticsRequest" not in shown(tab)
    tab.focus("#serviceStatistics a[href='#type-StatisticsRequest']")
    tab.keyboard.press("Enter")
    assert tab.get_by_label("Search").input_value() == ""
    top = "document.getElementById('type-StatisticsRequest').getBoundingClientRect().top"
    assert 0 <= tab.evaluate(top) < 100
    tab.evaluate("() => { location.hash = 'logIn'; }")
    tab.get_by_label("Search").fill("SCREEN_KEY")
    tab.go_back()
    assert 0 <= tab.evaluate(top) < 100


def test_a_search_shows_entries_that_contain_all_words(phone: tuple[Page, list[str]]) -> None:
    """The search covers methods, members and descriptions. Escape shows everything again."""
    tab, seen = phone
    everything = shown(tab)
    tab.get_by_label("Search").fill("abandonRate")
    assert {"serviceStatistics", "type-ServiceStatistics"} <= shown(tab) < everything
    tab.get_by_label("Search").fill("mean wait handled")
    assert "type-ServiceStatistics" in shown(tab)
    assert "logIn" not in shown(tab)
    tab.get_by_label("Search").fill("qwertyuiop")
    assert shown(tab) == set()
    assert tab.get_by_text("No matches").is_visible()
    tab.keyboard.press("Escape")
    assert shown(tab) == everything
    assert seen == ["/docs"]
