"""Tests that run the programs in docs/client.md and the README, and kill some of them."""

from __future__ import annotations

import itertools
import random
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from floorcast.client import Client, Credentials
from floorcast.site.file_reader import parse
from tests.real.server import Server, environment, running
from tests.real.sites import event, ndjson

ROOT = Path(__file__).resolve().parents[2]
PAGES = [(ROOT / page).read_text("utf-8") for page in ("docs/client.md", "README.md")]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", "\n".join(PAGES), re.MULTILINE | re.DOTALL)
SITE = (files("floorcast") / "example_site.toml").read_text("utf-8")
WHO = Credentials(
    client="ACME",
    user="reports",
    password="example-reports-password",
    api_token="example-api-token-change-me",
)
EVENTS_AN_ACT = 30
NUMBERS = itertools.count(1)  # of events; the server gets each number only once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the example site, which the pages require."""
    with running(tmp_path_factory.mktemp("page"), site=SITE) as one:
        yield one


def program(server: Server, containing: str) -> list[str]:
    """Return a command that runs the pages' program with this text on the test's server."""
    (block,) = (block for block in BLOCKS if containing in block)
    return [sys.executable, "-c", block.replace("http://127.0.0.1:8080", server.url)]


@contextmanager
def started(server: Server, containing: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block."""
    with subprocess.Popen(
        program(server, containing),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def send(server: Server, *events: dict[str, object]) -> None:
    """Send events with the example site's ingest key."""
    answer = httpx.post(
        f"{server.url}/ingest/v1/events",
        content=ndjson(events),
        headers={
            "Authorization": "Bearer example-ingest-key-change-me",
            "Content-Type": "application/x-ndjson",
        },
        timeout=60,
        verify=False,
    )
    assert answer.status_code == 200, answer.text


def call(number: int) -> dict[str, object]:
    """Return the event with which the call ``number`` starts at the bank."""
    return event(
        "call.start", f"call {number}", transactionId=number, sessionId=f"S{number}",
        service="PS", direction="INBOUND",
    )  # fmt: skip


def ready(number: int) -> dict[str, object]:
    """Return an event with which an agent becomes ready."""
    return event("agent.state", f"agent {number}", agent="SHARON", eventType="READY", service="PS")


def test_every_program_on_the_pages_is_tested() -> None:
    """The pages have as many programs as this module tests."""
    assert len(BLOCKS) == 8


@pytest.mark.parametrize(
    ("containing", "what", "line"),
    [
        ("asyncio.run(main())", ready, "SHARON READY\n"),
        ("who = Credentials(", ready, "SHARON READY\n"),
        ("case CallStart(", call, "began S{} INBOUND\n"),
        ("answer.feed_token", call, "VOICE 4001\n"),
        ("TokenFile(", ready, ".+\n"),
        ("sqlite3", call, "stored S{}\n"),
    ],
)
def test_a_program_prints_new_events_until_ctrl_c(
    server: Server,
    tmp_path: Path,
    containing: str,
    what: Callable[[int], dict[str, object]],
    line: str,
) -> None:
    """A running program prints new events. At Ctrl-C, it ends without a traceback."""
    with started(server, containing, tmp_path) as process:
        assert process.stdout is not None
        said = ""
        while not re.fullmatch(line.format(r"\d+"), said):
            if select.select([process.stdout], [], [], 0.1)[0]:
                said = process.stdout.readline()
            else:
                send(server, what(next(NUMBERS)))
        assert process.poll() is None, "it goes on"
        process.send_signal(signal.SIGINT)
        assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)


def test_a_refusal_is_printed_as_documented(server: Server, tmp_path: Path) -> None:
    """The program prints the refusal's status, code and message."""
    with started(server, "except Refusal as refusal", tmp_path) as process:
        assert process.communicate(timeout=60)[0] == "401 300 userName or password is wrong\n"


def test_events_sent_again_are_duplicates(server: Server, tmp_path: Path) -> None:
    """The program's first run adds three events, and its second run reports duplicates.

    The call ends, at a service of the demo: it would otherwise wait on the wallboard for hours.
    """
    for printed in ("3 0 []\n", "0 3 []\n"):
        with started(server, "Sender(", tmp_path) as process:
            assert process.communicate(timeout=60)[0] == printed
    with Client(server.url, WHO) as client:
        phones = {one.phone for one in client.waiting_calls().calls_details}
        services = {one.service_name for one in client.service_statistics().stats}
    assert "15125550100" not in phones
    assert services <= {service.name for service in parse(SITE).clients[0].service}


def test_a_store_gives_every_event_at_least_once(server: Server, tmp_path: Path) -> None:
    """The program prints every event at least once, although it is killed several times."""
    order: list[int] = []
    for act in range(3):
        with started(server, "TokenFile(", tmp_path) as process:
            assert process.stdout is not None
            if act == 0:
                while not (tmp_path / "agents.token").exists():
                    send(server, ready(next(NUMBERS)))
            send(server, *(ready(next(NUMBERS)) for _ in range(EVENTS_AN_ACT)))
            lines = [process.stdout.readline() for _ in range(EVENTS_AN_ACT // 2)]
            process.kill()
            lines += process.stdout.readlines()
        numbers = [int(line.rpartition("=")[2]) for line in lines]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "once in a life"
        assert not order or numbers[0] <= order[-1] + 1, "none is left out"
        order += numbers


@pytest.mark.parametrize("seed", [random.randrange(2**32)], ids=["random"])
def test_a_token_in_the_transaction_gives_every_event_once(
    server: Server, tmp_path: Path, seed: int
) -> None:
    """The program stores each event once and in order, although it and the server are killed."""
    chance, database = random.Random(seed), tmp_path / "calls.db"
    sent = 0
    with started(server, "sqlite3", tmp_path):
        _wait_for(database, "position", 1)
    for act in range(3):
        with started(server, "sqlite3", tmp_path):
            send(server, *(call(next(NUMBERS)) for _ in range(EVENTS_AN_ACT)))
            if act == 1:
                server.kill()
                server.start()
            goal = sent + chance.randrange(1, EVENTS_AN_ACT)
            _wait_for(database, "event", goal)
        sent += EVENTS_AN_ACT
    with started(server, "sqlite3", tmp_path):
        _wait_for(database, "event", sent)
    with closing(sqlite3.connect(database)) as db:
        sessions = [int(row[0][1:]) for row in db.execute("SELECT session FROM event")]
    assert sessions == list(range(sessions[0], sessions[0] + sent))


def _rows(database: Path, table: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            count: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return count
    except sqlite3.OperationalError:
        return 0  # the table is missing or is being written


def _wait_for(database: Path, table: str, rows: int) -> None:
    over = time.monotonic() + 60
    while _rows(database, table) < rows:
        assert time.monotonic() < over
