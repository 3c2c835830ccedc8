"""Tests of ``floorcast tail`` at a terminal and in a pipe, with kills and resumption."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.model.errors import FloorcastError
from tests.cli.terminal import Terminal
from tests.real.server import EVENTS, Caller, Server, command, environment, running
from tests.real.sites import PASSWORD, TOKENS, event, ndjson


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all tests. Each test sends its own calls."""
    with running(tmp_path_factory.mktemp("tail")) as one:
        yield one


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """Return a sender of events."""
    with Caller(server.url, up=server.up) as one:
        one.login()
        yield one


def login(server: Server, **more: str) -> dict[str, str]:
    """Return an environment with the complete login."""
    return environment(
        FLOORCAST_URL=server.url,
        FLOORCAST_CLIENT="ACME",
        FLOORCAST_USER="sysadmin",
        FLOORCAST_PASSWORD=PASSWORD,
        FLOORCAST_API_TOKEN=TOKENS["ACME"],
        **more,
    )


def call(name: str, service: str = "Sales") -> bytes:
    """Return the event that a call begins. Its session appears in the output."""
    return ndjson(
        [event("call.start", name, transactionId=abs(hash(name)) % 10**9, sessionId=name,
               service=service, direction="INBOUND", callerId="6503517450")]
    )  # fmt: skip


@contextmanager
def tail(server: Server, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with its output in a pipe until the block ends."""
    with subprocess.Popen(
        command("tail", *options),
        env=login(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """Read some lines of the output."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def exit_of(
    process: subprocess.Popen[str], number: signal.Signals | None = None
) -> tuple[int, str]:
    """Send a signal, and return the exit code and the text on standard error."""
    if number is not None:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_events_are_printed_as_they_happen(server: Server, caller: Caller) -> None:
    """The command starts from a token, and Ctrl-C ends it silently."""
    token = caller.feed(EVENTS).token
    caller.take(call("first"))
    with tail(server, "--from", token) as process:
        (line,) = lines(process, 1)
        assert " VOICE  CALL_START " in line
        assert " first " in line
        caller.take(call("second"))
        assert " second " in lines(process, 1)[0]
        assert exit_of(process, signal.SIGINT) == (130, "")


def test_json_lines_equal_the_events_of_the_feed(server: Server, caller: Caller) -> None:
    """Each line has the same bytes as in the long poll."""
    token = caller.feed(EVENTS).token
    caller.take(call("in JSON") + call("in JSON, too"))
    with tail(server, "--from", token, "--json") as process:
        assert [json.loads(line) for line in lines(process, 2)] == caller.feed(EVENTS, token).events
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_filter_restricts_the_events(server: Server, caller: Caller) -> None:
    """The server filters, here by service."""
    token = caller.feed(EVENTS).token
    caller.take(call("of Sales") + call("of Help", "Help"))
    with tail(server, "--from", token, "--filter", "service=38050") as process:
        assert " of Help " in lines(process, 1)[0]
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_names_are_shown_and_filtered(server: Server, caller: Caller) -> None:
    """A name in the filter is resolved to its id. Events have only ids, but lines have names."""
    token = caller.feed(EVENTS).token
    on = event("agent.state", "named", agent="VKUMARK", eventType="LOGON", service="Sales")
    caller.take(ndjson([on]) + call("Sales' own") + call("not seen", "Help"))
    with tail(server, "--from", token, "--filter", "service=Sales") as process:
        (line,) = lines(process, 1)
        assert " Sales' own " in line
        assert " Sales  " in line
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_unknown_id_is_reported(server: Server) -> None:
    """The feed accepts any id, and would be silent forever."""
    with tail(server, "--filter", "service=99") as process:
        assert process.stderr is not None
        warning = process.stderr.readline()
        assert warning.startswith("floorcast: warning: filter.service names 99: there is no such")
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_agent_feed_has_its_own_columns(server: Server, caller: Caller) -> None:
    """The agent feed has other columns."""
    token = caller.feed(EVENTS).token
    caller.take(
        ndjson([event("agent.state", "on", agent="VKUMARK", eventType="LOGON", service="Sales")])
    )
    with tail(server, "--agents", "--from", token) as process:
        assert " VKUMARK         LOGON " in lines(process, 1)[0]
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_closed_pipe_ends_the_command_silently(server: Server, caller: Caller) -> None:
    """After ``| head``, there is no traceback or message, and the exit code is 0."""
    token = caller.feed(EVENTS).token
    caller.take(call("into the pipe"))
    with tail(server, "--from", token) as process:
        lines(process, 1)
        stdout: IO[str] | None = process.stdout
        assert stdout is not None
        stdout.close()
        process.stdout = None
        caller.take(call("into nothing"))
        assert exit_of(process) == (0, "")


def test_token_store_resumes_after_the_last_event(
    server: Server, caller: Caller, tmp_path: Path
) -> None:
    """An event is not repeated if its line was printed and its token saved."""
    store = tmp_path / "position"
    store.write_text(caller.feed(EVENTS).token)
    for name, ending in (("one", signal.SIGINT), ("two", signal.SIGKILL), ("three", None)):
        before = store.read_text()
        caller.take(call(f"stored {name}"))
        with tail(server, "--store", str(store)) as process:
            assert f" stored {name} " in lines(process, 1)[0]
            if ending is not None:
                wait_for_change(store, before)
                process.send_signal(ending)
                assert process.wait(60) in {130, -signal.SIGKILL}


def wait_for_change(store: Path, before: str) -> None:
    """Wait until the content of the file changes."""
    over = time.monotonic() + 60
    while store.read_text() == before:
        assert time.monotonic() < over


def test_waits_for_an_unreachable_server_and_reports_it(server: Server, caller: Caller) -> None:
    """The wait is reported on standard error. Events continue after the last one."""
    token = caller.feed(EVENTS).token
    caller.take(call("before"))
    with tail(server, "--from", token) as process:
        assert " before " in lines(process, 1)[0]
        server.kill()
        assert process.stderr is not None
        assert "again in" in process.stderr.readline()
        server.start()
        caller.take(call("after"))
        assert " after " in lines(process, 1)[0]
        assert exit_of(process, signal.SIGINT)[0] == 130


def test_terminal_shows_headings_and_a_password_prompt(server: Server, caller: Caller) -> None:
    """Others could read a password on the command line."""
    token = caller.feed(EVENTS).token
    caller.take(call("at a terminal"))
    shown = login(server) | {"FLOORCAST_PASSWORD": ""}
    with Terminal(command("tail", "--from", token), shown) as terminal:
        terminal.until("Password of sysadmin at .*: ")
        terminal.press(PASSWORD + "\n")
        terminal.until("time .* customer .*\n.* CALL_START .* 6503517450 .*\n")
        terminal.press("\x03")
        assert terminal.ended() == 130
        assert PASSWORD not in terminal.text
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "yesterday"], "token must be"),
        (["--filter", "service=12x"], "no service named 12x has been active today"),
        (["--password", "wrong"], "the user or the password is wrong (--user, --password)"),
        (["--client", "NOPE"], "the API token is not one of client NOPE's"),
        (["--url", "localhost"], "the server's address must be like https://HOST:PORT"),
        (["--agents", "--filter", "service=1"], "the agent feed has no filter"),
        (["--filter", "services=1"], "must be KIND=VALUE"),
        (["--store", "missing/place"], "there is no folder missing"),
    ],
)
def test_unrecoverable_error_is_printed_and_ends_the_command(
    server: Server, options: list[str], message: str
) -> None:
    """The command exits, because waiting would not help."""
    ran = CliRunner().invoke(app, ["tail", *options], env=login(server))
    assert ran.exit_code in {1, 2}
    assert message in f"{ran.stderr} {ran.exception}"
    assert isinstance(ran.exception, FloorcastError | SystemExit)
