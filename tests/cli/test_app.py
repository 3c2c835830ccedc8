"""Tests of the whole program: its commands and its errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from floorcast import __main__ as entry
from floorcast.cli.app import app, main
from tests.programs import needs
from tests.real.server import environment

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "anonymous_bank" / "day.csv"


def test_errors_are_printed_as_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is on standard error, without a traceback, and the exit code is 1."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("floorcast.toml").write_text('keys = "k"\n', "utf-8")
    monkeypatch.setattr(sys, "argv", ["floorcast", "replay", str(GOLDEN), "--key", "k"])
    with pytest.raises(SystemExit) as caught:
        main()
    message = "floorcast: floorcast.toml: there is no setting 'keys'; did you mean key?"
    assert caught.value.code == message


@pytest.mark.parametrize("group", ["", "site", "user", "key"])
def test_command_summaries_are_not_truncated(group: str) -> None:
    """Every command's summary fits on one line of an 80-column terminal."""
    result = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80"})
    listed = result.stdout.split("Commands:\n")[1].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize("command", ["version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_disk_error_is_printed_as_one_line(command: str, unbuffered: str) -> None:
    """A full disk is reported, whether lines are written at once or all at the end."""
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "floorcast", command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(PYTHONUNBUFFERED=unbuffered),
        )
    assert ran.stderr == ("floorcast: the output cannot be written: No space left on device\n")
    assert ran.returncode == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_pipe_prints_no_traceback(unbuffered: str) -> None:
    """This happens with ``floorcast version | true``."""
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [sys.executable, "-m", "floorcast", "version"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
        env=environment(PYTHONUNBUFFERED=unbuffered),
    )
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, b"")


@pytest.mark.parametrize("closed", ["0", "1", "2", "1 2"])
def test_closed_streams_do_not_stop_a_command(tmp_path: Path, closed: str) -> None:
    """This happens with ``>&-`` and under some supervisors. No file gets the number of a stream."""
    redirections = " ".join(f"{number}>&-" for number in closed.split())
    site = tmp_path / "site.toml"
    site.write_text('[[client]]\nid = 1\nname = "ACME"\n', "utf-8")
    program = (sys.executable, "-m", "floorcast", "site", "apply", str(site))
    ran = subprocess.run(
        ["sh", "-c", f'"$@" {redirections}', "sh", *program],
        capture_output=True,
        text=True,
        check=False,
        env=environment(FLOORCAST_DATA=str(tmp_path / "data")),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("1 change\n") is ("1" not in closed)
    again = subprocess.run(
        program,
        capture_output=True,
        check=True,
        env=environment(FLOORCAST_DATA=str(tmp_path / "data")),
    )
    assert again.stdout == b"nothing to change\n"


def test_a_command_runs_in_a_folder_that_its_user_may_not_enter(tmp_path: Path) -> None:
    """An administrator runs it in root's home as the server's user. There is no settings file."""
    program = [sys.executable, "-m", "floorcast", "version"]
    if os.geteuid() == 0:  # for whom permissions count only without these capabilities
        needs("setpriv")
        less = "-dac_override,-dac_read_search"
        program = ["setpriv", f"--bounding-set={less}", f"--inh-caps={less}", *program]
    folder = tmp_path / "root"
    folder.mkdir()
    ran = subprocess.run(
        ["sh", "-c", 'chmod 0 . && exec "$@"', "sh", *program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    folder.chmod(0o700)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("floorcast ")


def test_module_runs_the_program() -> None:
    """``python -m floorcast`` runs ``floorcast``."""
    ran = subprocess.run(
        [sys.executable, "-m", "floorcast", "version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("floorcast ")


def test_a_command_does_not_load_the_command_of_httpx() -> None:
    """It brings Pygments, and takes a fifth of the CPU time of a short command."""
    ran = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "floorcast",
            "tail",
            "--url",
            "http://127.0.0.1",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "--client is missing" in ran.stderr
    assert "httpx" in loaded
    assert "pygments" not in loaded


class Interrupted:
    """Press Ctrl-C while the program is imported."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise the interrupt."""
        if name == "floorcast.cli.app":
            raise KeyboardInterrupt


def test_ctrl_c_during_import_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is a shell's code for SIGINT, even before the command has started."""
    monkeypatch.delitem(sys.modules, "floorcast.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 130


@pytest.mark.parametrize(("command", "survives"), [("serve", True), ("audit", False)])
def test_sighup_during_import_does_not_end_a_server(
    monkeypatch: pytest.MonkeyPatch, command: str, survives: bool
) -> None:
    """A reload right after the start is harmless. It still ends other commands."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    monkeypatch.setattr(sys, "argv", ["floorcast", command])
    monkeypatch.delitem(sys.modules, "floorcast.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    try:
        with pytest.raises(SystemExit):
            entry.main()
        assert (signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL) == survives
        if survives:
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
