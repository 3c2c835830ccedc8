"""Tests that every method has a page whose requests get the responses shown on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from floorcast.auth.session import ALLOWED_ROLES
from floorcast.http.routes import ROUTES
from floorcast.http.routing import ANY
from tests.golden.pages import DOCS, Block, blocks, output_differences, paste
from tests.real.server import Server, running

PASTED = {"sh", "sh refused"}
METHODS = sorted(f"methods/{page.name}" for page in (DOCS / "methods").iterdir())
SET_UP = [block for block in blocks("api.md", until="Conventions") if block.kind == "sh"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the example site, which the pages require."""
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    folder = tmp_path_factory.mktemp("docs")
    with running(folder, "--archive", folder / "archive", site=site) as server:
        yield server


def pasted(page: str) -> list[Block]:
    """Return the blocks of a page that a reader pastes."""
    return [block for block in blocks(page) if block.kind in PASTED]


@pytest.mark.parametrize("page", [*METHODS, "events.md", "streams.md"])
def test_method_page_matches_the_server(page: str, server: Server, tmp_path: Path) -> None:
    """Each request on the page gets the response that the page shows, even if it is refused."""
    everything = [*SET_UP, *pasted(page)]
    outputs = paste(everything, server.url, tmp_path)
    assert output_differences(everything, outputs) == []


def test_overview_page_matches_the_server(server: Server, tmp_path: Path) -> None:
    """The set-up on the page works, and requests are refused as described."""
    everything = pasted("api.md")
    assert output_differences(everything, paste(everything, server.url, tmp_path)) == []


def test_every_method_has_a_page() -> None:
    """For each method, one of the pages has a request that a reader can paste."""
    text = "".join(block.text for page in [*METHODS, "streams.md"] for block in pasted(page))
    for route in ROUTES:
        if route.method != ANY:
            path = re.escape(route.path.partition("/{")[0])
            assert re.search(rf'{path}(?=["/?; \n])', text), route.path


def test_index_links_every_page() -> None:
    """api.md links to each method's page. Readers could not find a page without a link."""
    index = (DOCS / "api.md").read_text("utf-8")
    assert [page for page in METHODS if f"({page})" not in index] == []


def test_roles_on_the_pages_are_those_that_the_server_allows() -> None:
    """Each method's page and the table in api.md list exactly the allowed roles."""
    api = (DOCS / "api.md").read_text("utf-8")
    table = dict(
        re.findall(r"^\| (.+?) \| (.+?) \|$", api[api.index("\n## Roles") :], re.MULTILINE)
    )
    assert {
        methods: ", ".join(roles) for methods, roles in ALLOWED_ROLES.items()
    }.items() <= table.items()
    texts = [re.sub(r"\s+", " ", (DOCS / page).read_text("utf-8")) for page in METHODS]
    for route in ROUTES:
        if route.methods is None or "/sse" in route.path:
            continue
        named = f"`{route.method} {route.path}`"
        (text,) = [text for text in texts if named in text]
        after = text.partition(named)[2]
        roles = re.search(r"Roles: ([^.]*)\.", after) or re.search(r"Roles: ([^.]*)\.", text)
        assert roles, named
        assert roles[1] == ", ".join(ALLOWED_ROLES[route.methods]), named
