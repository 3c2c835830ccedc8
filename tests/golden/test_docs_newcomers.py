"""Tests that follow the pages for newcomers step by step."""

from __future__ import annotations

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from tests.golden.pages import DOCS, ROOT, blocks, output_differences, paste
from tests.real.server import free_port, running

PASTED = {"sh", "sh refused", "sh server"}
CLONE = ("Makefile", "README.md", "constraints.txt", "pyproject.toml", "src")


PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """Return a page's anchors, which GitHub derives from the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    """The file and the heading to which a link leads exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_leaves_the_shell_in_the_clone(page: Path) -> None:
    """A reader pastes the blocks in order, so a ``cd`` is in a subshell."""
    shells = re.findall(
        r"^ *```(?:sh[\w -]*)?\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert [text for text in shells if re.search(r"^cd ", text, re.MULTILINE)] == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Create a clone in which ``make setup`` has nothing left to do."""
    for name in CLONE:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def test_readme_commands_work(tmp_path: Path) -> None:
    """The README's events are accepted, and the first appears in the feed, with the example site.

    Each response is on its own line.
    """
    pasted = [block for block in blocks("../README.md") if block.kind == "sh"]
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    with running(tmp_path, site=site) as server:
        (printed,) = paste(pasted, server.url, tmp_path)
    verdict, fed, logged_off = map(json.loads, printed.splitlines())
    assert verdict == logged_off == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert [event["eventType"] for event in fed["agentEvent"]] == ["LOGON"]


def test_quickstart_commands_work(clone: Path) -> None:
    """Every code block on the page works, from installation to the first event and its figures."""
    port = free_port()
    pasted = [block for block in blocks("quickstart.md") if block.kind.startswith("sh")]
    outputs = paste(pasted, f"http://127.0.0.1:{port}", clone, FLOORCAST_PORT=str(port))
    assert output_differences(pasted, outputs) == []


def test_api_setup_commands_work(clone: Path) -> None:
    """The set-up in api.md works, and so do the pages that need its past data or archive."""
    port = free_port()
    pages = ("api.md", "methods/alerts.md", "methods/reports.md")
    pasted = [block for page in pages for block in blocks(page) if block.kind in PASTED]
    url = f"http://127.0.0.1:{port}"
    outputs = paste(pasted, url, clone, FLOORCAST_PORT=str(port), TMPDIR=str(clone))
    assert output_differences(pasted, outputs) == []


def test_livevox_comparison_of_a_server_with_itself_finds_no_difference(tmp_path: Path) -> None:
    """The page's program finds no difference in any method if it compares a server with itself."""
    page = blocks("moving-from-livevox.md")
    (source,) = [block.text for block in page if block.kind == "python"]
    (tmp_path / "compare.py").write_text(source, "utf-8")
    set_up = [block for block in blocks("api.md", until="Conventions") if block.kind == "sh"]
    pasted = [*set_up, *(block for block in page if block.kind == "sh")]
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    with running(tmp_path, site=site) as server:
        printed = paste(pasted, server.url, tmp_path)[-1].split()
    assert printed.count("/realtime/service/stats") == 1
    assert printed.count("same") == 10


def test_comparison_finds_differences(tmp_path: Path) -> None:
    """The program reports different members, types, figures and rows, but not time stamps."""
    (source,) = [one.text for one in blocks("moving-from-livevox.md") if one.kind == "python"]
    found: dict[str, object] = {"__name__": "compare"}
    exec(compile(source, "compare.py", "exec"), found)
    differences = found["differences"]
    assert callable(differences)
    old = {"id": "1", "rows": [{"n": 1}], "timeStamp": 1, "gone": None}
    new = {"id": 1, "rows": [{"n": 2}, {}], "timeStamp": 2}
    assert sorted(differences(old, new, "$")) == [
        "$.gone: only in the old one",
        "$.id: '1' and 1 are of different types",
        "$.rows: 1 and 2 rows",
        "$.rows[0].n: 1 and 2",
    ]


def test_comparison_ignores_elapsed_time() -> None:
    """The program ignores what changed only because time passed between two responses.

    It still reports other differences.
    """
    (source,) = [one.text for one in blocks("moving-from-livevox.md") if one.kind == "python"]
    found: dict[str, object] = {"__name__": "compare"}
    exec(compile(source, "compare.py", "exec"), found)
    compared = found["compared"]
    assert callable(compared)

    class FakeServer:
        def __init__(self, *answers: object) -> None:
            self._answers = iter(answers)

        def ask(self, _path: str, _body: object) -> object:
            return next(self._answers)

    old = FakeServer({"wait": 1, "waiting": 3, "rows": []}, {"wait": 2, "waiting": 3, "rows": [{}]})
    new = FakeServer({"wait": 2, "waiting": 4, "rows": [{}]})
    assert compared(old, new, "/", {}) == ["$.waiting: 3 and 4"]
