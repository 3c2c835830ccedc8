"""Tests of ``floorcast top`` at a terminal and in a pipe, while the server restarts."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.terminal import Terminal
from tests.cli.test_tail import login
from tests.real.server import Caller, Server, command, running
from tests.real.sites import event, ndjson


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all tests, with a working agent and a waiting call."""
    with running(tmp_path_factory.mktemp("top")) as one, Caller(one.url) as caller:
        call = {"transactionId": 1, "sessionId": "S1"}
        caller.take(
            ndjson(
                [
                    event("agent.state", 1, agent="VKUMARK", eventType="READY", service="Sales"),
                    event("call.start", 2, service="Sales", direction="INBOUND",
                          callerId="6503517450", **call),
                    event("call.queue", 3, **call),
                ]
            )
        )  # fmt: skip
        yield one


def top(server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its output in a pipe."""
    arguments = command("top", *options)
    return subprocess.run(
        arguments, env=login(server), capture_output=True, text=True, timeout=60, check=False
    )


def test_floor_is_printed_once_in_a_pipe(server: Server) -> None:
    """The output consists of plain lines without colors or cursor movements."""
    ran = top(server)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Waiting calls: 1" in ran.stdout
    assert "Agents: Ready 1" in ran.stdout
    assert "6503517450" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_filter_restricts_the_floor(server: Server) -> None:
    """The filter selects services or call centers."""
    ran = top(server, "--filter", "service=38050")
    assert ran.returncode == 0
    assert "Waiting calls: 0" in ran.stdout


def test_filter_accepts_names(server: Server) -> None:
    """The screen shows names. The error lists them."""
    ran = top(server, "--filter", "service=Sales")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Waiting calls: 1" in ran.stdout
    ran = top(server, "--filter", "service=Sails")
    assert ran.returncode == 2
    message = " ".join(ran.stderr.split())
    assert "no service named Sails has been active today; those that have are" in message
    assert "Sales (" in message


def test_server_error_is_printed_in_one_line(server: Server) -> None:
    """On a terminal, the screen is restored first."""
    ran = top(server, "--filter", "service=1")
    assert ran.returncode == 1
    assert ran.stderr.startswith("floorcast: filter.service names 1: there is no such service")
    with Terminal(command("top", "--filter", "service=1"), login(server)) as terminal:
        assert terminal.ended() == 1
        assert terminal.text.rstrip().endswith("there is no such service")
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize("ending", ["q", "\x03", "SIGTERM", "SIGHUP"])
def test_quit_key_restores_the_terminal(server: Server, ending: str) -> None:
    """The screen, the cursor and the keyboard are restored."""
    with Terminal(command("top"), login(server)) as terminal:
        terminal.until("VINAY K")
        assert terminal.settings() != terminal.before
        if ending.startswith("SIG"):
            terminal.process.send_signal(signal.Signals[ending])
        else:
            terminal.press(ending)
        assert terminal.ended() == 0
        assert terminal.written.count("\x1b[?1049h") == terminal.written.count("\x1b[?1049l") == 1
        assert terminal.written.rstrip().endswith("\x1b[?1049l")
        assert terminal.settings() == terminal.before
        assert "Traceback" not in terminal.text


def test_recovers_after_a_server_restart(server: Server) -> None:
    """The screen shows the reason, keeps the data with its age, and recovers by itself."""
    with Terminal(command("top", "--interval", "0.5"), login(server)) as terminal:
        terminal.until("VINAY K")
        server.kill()
        terminal.until(r"old\s+(http\S+/realtime/|nothing answers)")
        assert "VINAY K" in terminal.text
        server.start()
        with Caller(server.url) as caller:
            one = event("agent.state", 9, agent="SEBY", eventType="READY", service="Sales")
            caller.take(ndjson([one]))
        terminal.until("SEBY")
        terminal.press("q")
        assert terminal.ended() == 0


def test_wrong_login_is_reported_with_the_options(server: Server) -> None:
    """The message has the command's names, not the API's."""
    assert top(server, "--password", "wrong").stderr == (
        "floorcast: the user or the password is wrong (--user, --password)\n"
    )


def test_once_prints_the_floor_on_a_terminal(server: Server) -> None:
    """The output stays on the terminal."""
    with Terminal(command("top", "--once"), login(server)) as terminal:
        assert terminal.ended() == 0
        assert "VINAY K" in terminal.text
        assert "\x1b[?1049h" not in terminal.written
