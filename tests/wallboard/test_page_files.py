"""Tests that the page's files are complete, local, and of the right types."""

from __future__ import annotations

import re

import pytest

from floorcast.wallboard.page_files import PATH, SECURITY_HEADERS, PageFile, page_files

FILES = {file.path: file for file in page_files()}
REFERENCES = {
    "text/html": re.compile(r'(?:src|href)="([^"]+)"'),
    "text/javascript": re.compile(r'^(?:import|export) (?:.* from )?"([^"]+)";$', re.MULTILINE),
}


def test_files_are_served_below_the_page_path() -> None:
    """All files have paths below the page's path, except the landing page at the root."""
    assert FILES[PATH].media_type == FILES["/"].media_type == "text/html; charset=utf-8"
    assert all(path in {PATH, "/"} or path.startswith(f"{PATH}/") for path in FILES)


def test_the_landing_page_links_to_everything() -> None:
    """The landing page links to the wallboard, the documentation, and the server's health."""
    links = re.findall(r'<a href="([^"]+)"', FILES["/"].content.decode())
    assert {PATH, "/docs", "/openapi.json", "/readyz", "/metrics"} == set(links)


def test_all_referenced_files_exist() -> None:
    """No script, style sheet or picture is missing, remote or unused."""
    found = set()
    for file in FILES.values():
        pattern = REFERENCES.get(file.media_type.partition(";")[0])
        folder = file.path.rpartition("/")[0]
        for reference in pattern.findall(file.content.decode()) if pattern else ():
            found.add(reference if reference[0] == "/" else f"{folder}/{reference[2:]}")
    found -= {"/docs", "/openapi.json", "/readyz", "/metrics"}  # these are not files of the page
    found.add(f"{PATH}/worker.js")  # link.js runs it as a worker
    assert found == set(FILES) - {"/", f"{PATH}/uplot/LICENSE"}


def test_the_page_has_no_inline_code() -> None:
    """The page has no inline code, because its policy forbids inline code."""
    page = FILES[PATH].content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_the_library_is_shipped_with_its_license() -> None:
    """The library's license file and version are as expected."""
    assert b"MIT License" in FILES[f"{PATH}/uplot/LICENSE"].content
    assert b"(v1.6.32)" in FILES[f"{PATH}/uplot/uPlot.esm.js"].content[:500]


def test_the_policy_allows_only_this_server() -> None:
    """The content security policy allows only what the page needs from this server."""
    policy = dict(SECURITY_HEADERS)["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("trusted-types") == "floorcast-worker"
    assert {"'none'", "'self'", "'script'"} == set(rules.values())
    assert rules["frame-ancestors"] == rules["form-action"] == rules["base-uri"] == "'none'"


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [("", False), ("*", True), ('W/"x"', True), ('"x"', True), ('"y", W/"x"', True), ("x", False)],
)
def test_if_none_match_is_compared_weakly(if_none_match: str, known: bool) -> None:
    """Entity tags are compared weakly, as RFC 9110 requires for ``If-None-Match``."""
    file = PageFile("/wallboard/x.js", "text/javascript", b"", 'W/"x"')
    assert file.matches(if_none_match) is known
