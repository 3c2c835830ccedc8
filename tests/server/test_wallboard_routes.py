"""Tests of the wallboard's files over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from floorcast.http.app import Api
from floorcast.http.routes import ROUTES
from floorcast.server.wallboard_routes import page_routes
from floorcast.wallboard.page_files import SECURITY_HEADERS, page_files
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.server import Caller, running


@pytest.fixture(scope="module")
def starting() -> Iterator[Api]:
    """Yield an application whose floors are still being loaded."""
    with temporary_folder() as folder:
        house = NodeHarness(folder, Clock(), keeps=False, started=False)
        yield Api(house.node.server, (*ROUTES, *page_routes()))
        house.end()


def ask(api: Api, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=api)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.request(method, path, headers=headers)

    return asyncio.run(go())


def test_each_file_is_served_with_the_security_headers(starting: Api) -> None:
    """A server that is starting serves the files, too. A reloaded wallboard recovers by itself."""
    for file in page_files():
        answer = ask(starting, file.path)
        assert (answer.status_code, answer.content) == (200, file.content)
        assert answer.headers["content-type"] == file.media_type
        assert answer.headers["cache-control"] == "no-cache"
        assert set(SECURITY_HEADERS) <= set(answer.headers.items())
        assert answer.headers["content-encoding"] == "gzip"


def test_cached_files_are_not_sent_again(starting: Api) -> None:
    """The browser asks every time, and gets a 304."""
    tag = ask(starting, "/wallboard/").headers["etag"]
    again = ask(starting, "/wallboard", **{"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert ask(starting, "/wallboard", **{"if-none-match": '"old"'}).status_code == 200


def test_other_files_are_not_served(starting: Api) -> None:
    """The package's and the machine's other files are not served."""
    for path in ("/wallboard/files.py", "/wallboard/../files.py", "/wallboard/%2e%2e/x", "/index"):
        assert ask(starting, path).status_code == 404
    assert ask(starting, "/wallboard", "POST").status_code == 405
    assert ask(starting, "/wallboard", "HEAD").content == b""


def test_the_root_page_links_to_the_wallboard(tmp_path: Path) -> None:
    """With or without a site, the page links to the wallboard and the documentation."""
    with running(tmp_path, site="") as server, Caller(server.url) as caller:
        answer = caller.http.get("/", headers={"accept": "text/html"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert 'href="/wallboard"' in answer.text
        log = server.log.read_text()
    assert "no_client" in log
    assert "floorcast site apply FILE" in log


def test_the_sign_in_form_is_prefilled_by_the_command(starting: Api) -> None:
    """A real server sets no values, and the demo sets its published values."""
    path = "/wallboard/sign-in.json"
    assert ask(starting, path).json() == {}
    with temporary_folder() as folder:
        house = NodeHarness(folder, Clock(), keeps=False, started=False)
        demo = Api(house.node.server, (*ROUTES, *page_routes({"clientName": "ACME"})))
        assert ask(demo, path).json() == {"clientName": "ACME"}
        house.end()
