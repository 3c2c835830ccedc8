"""Tests that run the programs in ``docs/languages.md`` and ``docs/sending-events.md``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.golden.pages import blocks, output_differences, paste
from tests.real.server import Caller, Server, environment, running

KEY = "example-ingest-key-change-me"
PROGRAMS = {
    "js": ("send.mjs", "node send.mjs"),
    "java": ("Send.java", "java Send.java"),
    "go": ("send.go", "go run send.go"),
    "php": ("send.php", "php send.php"),
    "csharp": ("Send.cs", "mcs -r:System.Net.Http Send.cs && mono Send.exe"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the example site."""
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    with running(tmp_path_factory.mktemp("docs"), site=site) as server:
        yield server


def run(line: str, folder: Path, url: str) -> str:
    """Run a command with the page's environment variables. Returns the output."""
    found = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment(FLOORCAST_URL=url, KEY=KEY),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def only_block(page: str, kind: str) -> str:
    """Return a page's only code block in this language."""
    (found,) = [block.text for block in blocks(page) if block.kind == kind]
    return found


@pytest.mark.parametrize("kind", PROGRAMS)
def test_example_program_sends_its_events(kind: str, server: Server, tmp_path: Path) -> None:
    """Each program sends two events, and prints that both were accepted."""
    name, line = PROGRAMS[kind]
    if shutil.which(line.split()[0]) is None:
        pytest.skip(f"there is no {line.split()[0]} here")
    (tmp_path / name).write_text(only_block("languages.md", kind), "utf-8")
    printed = run(line, tmp_path, server.url).lower()
    assert 'accepted":2,' in printed or "accepted:2 " in printed, printed


def test_curl_commands_are_accepted(server: Server, tmp_path: Path) -> None:
    """The page's curl commands print the output that the page shows."""
    pasted = [block for block in blocks("languages.md") if block.kind == "sh"]
    assert output_differences(pasted, paste(pasted, server.url, tmp_path)) == []


def test_first_event_of_sending_events_is_accepted(server: Server, tmp_path: Path) -> None:
    """The event is accepted, a second attempt reports a duplicate, and the call is ended."""
    first = blocks("sending-events.md")[0]
    outputs = [paste([first], server.url, tmp_path)[0] for _ in range(2)]
    printed = [block.printed or block.text for block in blocks("sending-events.md")[:2]]
    assert [json.loads(one) for one in outputs] == [json.loads(one) for one in printed]
    end = blocks("sending-events.md")[2]
    _, output = paste([first, end], server.url, tmp_path)
    assert json.loads(output) == json.loads(end.printed)


def test_python_source_sends_each_stored_event_once(tmp_path: Path) -> None:
    """The source stores events until the server starts, and then sends each event once."""
    (tmp_path / "source.py").write_text(only_block("sending-events.md", "python"), "utf-8")
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    away = Server(tmp_path, site)
    source = subprocess.Popen(
        [sys.executable, "source.py"],
        cwd=tmp_path,
        env=environment(FLOORCAST_URL=away.url, KEY=KEY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with away, source, Caller(away.url) as caller:
        said, _ = source.communicate(timeout=60)
        assert (source.returncode, said) == (0, "")
        assert caller.metric_value('floorcast_intake_events_total{outcome="accepted"}') == 4
