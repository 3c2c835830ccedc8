"""Tests of ``floorcast connect`` as a user types it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from floorcast.__main__ import main
from tests.client.intake import TAKE, Answer, running
from tests.connectors.asterisk.fake_ami import FakeAmi, serving
from tests.connectors.freeswitch.dialogues import Caller, agent_row, tier_row
from tests.connectors.freeswitch.fake_esl import PASSWORD, esl_in_thread
from tests.real.asterisk import wait_until
from tests.real.server import send_until_ended

LOG = "1795813659|1.0|sales|NONE|ENTERQUEUE||512|1\n1795813662|1.0|sales|NONE|ABANDON|1|1|3\n"


@contextmanager
def fake_asterisk() -> Iterator[FakeAmi]:
    """A manager interface in its own thread."""
    ready, found = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def main() -> None:
        async with serving() as ami:
            ami.members = [{"Queue": "sales", "Name": "Anna", "Location": "SIP/1", "Status": "1"}]
            found.append(ami)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
        loop.close()


class CommandResult(NamedTuple):
    """The exit code of a command, and its output."""

    returncode: int
    stdout: str
    stderr: str


class RunFloorcast(Protocol):
    """Run the command to its end in the test's folder."""

    def __call__(self, *given: str, **environ: str) -> CommandResult: ...


@pytest.fixture
def floorcast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunFloorcast:
    """Run the program in this process, because starting another takes as long as the command."""
    monkeypatch.chdir(tmp_path)

    def run(*given: str, **environ: str) -> CommandResult:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["floorcast", "connect", *given])
            patch.setattr(sys, "stdin", StringIO())  # no terminal, so nothing is prompted for
            for name, value in environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        captured, code = capsys.readouterr(), ended.value.code
        if isinstance(code, str):  # printed by the interpreter at exit
            return CommandResult(1, captured.out, f"{captured.err}{code}\n")
        return CommandResult(code or 0, captured.out, captured.err)

    return run


def test_check_reports_asterisk_permissions(tmp_path: Path, floorcast: RunFloorcast) -> None:
    """It names missing permissions. The secret can come from a file."""
    (tmp_path / "secret").write_text("secret\n")
    with fake_asterisk() as ami:
        ask = ["asterisk", "--ami", f"127.0.0.1:{ami.port}", "--ami-user", "floorcast", "--check"]
        done = floorcast(*ask, "--ami-secret-file", "secret")
        assert done.returncode == 0, done.stderr
        assert "sales  sales    1        0" in done.stdout
        assert "Anna    Anna   SIP/1      sales   free" in done.stdout
        assert "\nWaiting callers\n  none\n" in done.stdout
        ami.denied = {"QueueStatus"}
        done = floorcast(*ask, FLOORCAST_AMI_SECRET="secret")
        assert (done.returncode, done.stdout) == (1, "")
        assert "AMI refuses QueueStatus: Permission denied" in done.stderr
        done = floorcast(*ask, FLOORCAST_AMI_SECRET="wrong")
        assert "refuses the user 'floorcast'" in done.stderr
        assert "Traceback" not in done.stderr


def test_check_reports_the_ingest_key(tmp_path: Path, floorcast: RunFloorcast) -> None:
    """The key is checked if there is one. The PBX is checked even if the key is wrong."""
    wrong = Answer(401, {"code": 300, "message": "the ingest key is not one of this server's"})
    key = "a-key-of-twenty-characters"
    with fake_asterisk() as ami, running(TAKE, wrong) as intake:
        ask = ["asterisk", "--ami", f"127.0.0.1:{ami.port}", "--ami-user", "floorcast", "--check"]
        ask += ["--url", intake.url]
        done = floorcast(*ask, FLOORCAST_AMI_SECRET="secret", FLOORCAST_KEY=key)
        assert (done.returncode, done.stdout.partition("\n")[0]) == (
            0, f"ingest key: accepted by {intake.url}",
        )  # fmt: skip
        done = floorcast(*ask, FLOORCAST_AMI_SECRET="secret", FLOORCAST_KEY=key)
        assert (done.returncode, done.stdout.partition("\n")[0]) == (
            1,
            f"ingest key: NOT accepted by {intake.url}: the ingest key is not one of this server's",
        )
        assert "sales  sales    1        0" in done.stdout
        assert key not in done.stdout + done.stderr
    done = floorcast(*ask[:-1], "http://u:secret@127.0.0.1", FLOORCAST_KEY=key)
    assert "u:secret" not in done.stdout + done.stderr


def test_check_reports_freeswitch_modules(tmp_path: Path, floorcast: RunFloorcast) -> None:
    """Tables are aligned. A module that is not loaded and a wrong password are reported."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with esl_in_thread() as socket:
        esl = socket.esl
        esl.agents, esl.tiers = [agent_row("anna", "On Break")], [tier_row("anna", "sales")]
        esl.queues = [{"name": "sales"}, {"name": "support"}]
        ask = ["freeswitch", "--esl", f"127.0.0.1:{esl.port}", "--check"]
        done = floorcast(*ask, "--esl-password-file", "password")
        assert done.returncode == 0, done.stderr
        assert "  sales    sales    longest-idle-agent  1       0" in done.stdout
        assert "  anna  anna   On Break  Waiting  0        sales" in done.stdout
        esl.denied = {"show"}
        done = floorcast(*ask, FLOORCAST_ESL_PASSWORD=PASSWORD)
        assert done.returncode == 1
        assert "show channels as json  missed holds stay unknown" in done.stdout
        esl.has_callcenter = False
        done = floorcast(*ask, FLOORCAST_ESL_PASSWORD=PASSWORD)
        assert (done.returncode, done.stdout) == (1, "")
        assert "load mod_callcenter" in done.stderr
        done = floorcast(*ask, FLOORCAST_ESL_PASSWORD="wrong")
        assert "refuses the password: -ERR invalid" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["freeswitch"], "nothing to read"),
        (["freeswitch", "--esl", "h:x"], "must be HOST[:PORT]"),
        (["freeswitch", "--esl", "h"], "the ESL password is required: set FLOORCAST_ESL_PASSWORD"),
        (["freeswitch", "--esl-password", "s"], "FLOORCAST_ESL_PASSWORD or --esl-password-file"),
        (["asterisk"], "nothing to read"),
        (["asterisk", "--ami", "h"], "--ami-user must be given"),
        (["asterisk", "--ami", "h:x", "--ami-user", "u"], "must be HOST[:PORT]"),
        (["asterisk", "--ami", "h", "--ami-user", "u"], "secret is required"),
        (["asterisk", "--ami", "h", "--ami-user", "u", "--ami-ca-file", "c"], "give --ami-tls"),
        (
            ["asterisk", "--ami", "h", "--ami-user", "u", "--ami-tls", "--ami-ca-file", "no.pem"],
            "no.pem cannot be read as certificates",
        ),
        (["asterisk", "--ami-secret", "s"], "secrets on the command line"),
        (["asterisk", "--queue-log", "q"], "an ingest key is required"),
        (["asterisk", "--queue-log", "q", "--check"], ""),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["asterisk", "--queue-log", "."], "--queue-log: . is a folder; name the file"),
        (["asterisk", "--queue-log", "q", "--url", ""], "--url is empty: give a value"),
        (["asterisk", "--queue-log", "q", "--key", "k", "--spool", "."], "spool must be a file"),
        (["livevox", "--from", " "], "--from is empty"),
    ],
)
def test_missing_option_is_named(floorcast: RunFloorcast, given: list[str], message: str) -> None:
    """The error is one line, without a traceback."""
    done = floorcast(*given)
    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_variable_is_named(floorcast: RunFloorcast) -> None:
    """The user may believe that the variable is set."""
    done = floorcast("asterisk", "--queue-log", "q", FLOORCAST_KEY="")
    assert "set FLOORCAST_KEY (which is empty)" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        ["asterisk", "--queue-log", "q", "--key", "k", "--url", "http://me:s3cret@h"],
        ["livevox", "--from", "http://me:s3cret@h", "--client", "c", "--user", "u", "--key", "k"],
        ["asterisk", "--ami", "me:s3cret@h", "--ami-user", "u", "--key", "k"],
        ["freeswitch", "--esl", "me:s3cret@h", "--key", "k"],
    ],
)
def test_a_password_in_an_address_is_not_shown(floorcast: RunFloorcast, given: list[str]) -> None:
    """Neither the log nor the error shows the address, which must not hold a password."""
    secrets = {
        f"FLOORCAST_{name}": "x" for name in ("AMI_SECRET", "ESL_PASSWORD", "PASSWORD", "API_TOKEN")
    }
    done = floorcast(*given, **secrets)
    assert done.returncode == 1
    assert "must be" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_a_secret_is_one_line(floorcast: RunFloorcast) -> None:
    """A line break in a secret would begin another action."""
    ami = ["asterisk", "--ami", "h", "--ami-user", "u", "--key", "k"]
    done = floorcast(*ami, FLOORCAST_AMI_SECRET="s3cret\r\nAction: Command")
    assert "must be one line" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_connect_toml_with_a_key_that_others_can_read_is_reported(
    tmp_path: Path, floorcast: RunFloorcast
) -> None:
    """The key does not have to be in a file that only its owner can read, but should be."""
    file = tmp_path / "connect.toml"
    file.write_text('key = "k"\nurl = ""\n[asterisk]\nqueue_log = "q"\n')
    for mode, is_reported in ((0o600, False), (0o640, True)):
        file.chmod(mode)
        done = floorcast("--config", str(file))
        assert ("can be read by others" in done.stderr) is is_reported


def test_runs_from_connect_toml_alone(tmp_path: Path) -> None:
    """The command runs until it is stopped and exits cleanly. Options override the file.

    SIGHUP is logged and changes nothing. More signals do not interrupt the end.
    """
    (tmp_path / "queue_log").write_text(LOG, "utf-8")
    with running() as intake:
        (tmp_path / "connect.toml").write_text(
            f"url = '{intake.url}'\nkey = 'k'\n[asterisk]\nqueue_log = 'queue_log'\n"
            "source = 'pbx'\n[asterisk.services]\nsales = 'Sales'\n",
            "utf-8",
        )
        (tmp_path / "connect.toml").chmod(0o600)
        process = subprocess.Popen(
            [sys.executable, "-m", "floorcast", "connect", "asterisk",
             "--config", "connect.toml", "--from", "2026-01-01T00:00:00Z"],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: len(intake.received) == 3, lambda: intake.requests)
            process.send_signal(signal.SIGHUP)
        finally:
            process.terminate()
            send_until_ended(process, signal.SIGINT)
            _, message = process.communicate(timeout=20)
    assert process.returncode == 0, message
    assert "Traceback" not in message
    assert "SIGHUP: there is nothing to reload" in message
    started = json.loads(message.splitlines()[0])
    assert (started["event"], started["reads"]) == ("the connector starts", "queue log queue_log")
    assert (started["sends_to"], started["spool"]) == (intake.url, "connect.db")
    assert list(intake.received) == ["1.0/start", "1.0/1/queue", "1.0/end"]
    start = intake.received["1.0/start"]
    assert (start["source"], start["data"]["sessionId"]) == ("asterisk/pbx", "1.0@pbx")
    assert start["data"]["service"] == "Sales"
    assert (tmp_path / "connect.db").exists()


def test_connect_toml_selects_freeswitch(tmp_path: Path, floorcast: RunFloorcast) -> None:
    """A subcommand is needed only if the file has two tables."""
    with running() as intake, esl_in_thread() as socket:
        socket.esl.tiers = [tier_row("anna")]
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        table = f"esl = '127.0.0.1:{socket.esl.port}'\nesl_password_file = 'password'\n"
        text = f"url = '{intake.url}'\nkey = 'k'\n[freeswitch]\n{table}"
        (tmp_path / "connect.toml").write_text(text, "utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "floorcast", "connect", "--config", "connect.toml"],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: socket.esl.subscriptions == 1, lambda: "no subscription")
            socket.send(Caller("u").joins(1795813600.0))
            wait_until(lambda: len(intake.received) == 2, lambda: intake.requests)
        finally:
            process.terminate()
            _, message = process.communicate(timeout=20)
        assert process.returncode == 0, message
        assert [one["source"] for one in intake.received.values()] == ["freeswitch/freeswitch"] * 2
        (tmp_path / "connect.toml").write_text(text + "[asterisk]\nqueue_log = 'q'\n", "utf-8")
        done = floorcast("--config", "connect.toml")
        assert "has [asterisk] and [freeswitch]" in done.stderr
