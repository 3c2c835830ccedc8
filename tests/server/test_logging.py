"""Tests that the server's log has one line per event in the chosen format, and no secrets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

LOGGING_SCRIPT = """
import logging
import structlog
from floorcast.server.logging import set_up_log
set_up_log({level!r}, {form!r})
log = structlog.stdlib.get_logger("floorcast")
log.debug("detail")
log.info("request", method="GET", path="/healthz", status=200, ms=6.7, bytes=9, client=None)
logging.getLogger("somebody").warning("beside us")
logging.getLogger("uvicorn.error").info("Started server process")
secret = "a caller's secret"
try:
    secret[99]
except IndexError:
    log.exception("fault")
"""


def log_lines(level: str, form: str) -> list[str]:
    """Return the output of a process that uses this log. Standard output stays empty."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGING_SCRIPT.format(level=level, form=form)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert "a caller's secret" not in done.stderr.replace('secret = "', "")
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_lines_are_json_when_not_on_a_terminal(form: str) -> None:
    """The line has the time, the level and the event. Libraries' messages have the same form."""
    lines = [json.loads(line) for line in log_lines("info", form)]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "request"),
        ("warning", "beside us"),
        ("error", "fault"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert (lines[0]["path"], lines[0]["status"]) == ("/healthz", 200)
    assert "IndexError" in lines[2]["exception"]


def test_text_lines_are_human_readable() -> None:
    """A traceback looks as in Python. It has no local variables, and so no secrets."""
    lines = log_lines("info", "text")
    assert re.sub(r"\x1b\[\d*m", "", lines[0]).split("] ", 1)[1].split() == (
        ["GET", "/healthz", "200", "7", "ms", "bytes=9"]
    )
    assert any(line.startswith("IndexError") for line in lines)


@pytest.mark.parametrize(("level", "first"), [("debug", "detail"), ("error", "fault")])
def test_events_below_the_level_are_not_logged(level: str, first: str) -> None:
    """uvicorn's own messages never appear."""
    lines = [json.loads(line) for line in log_lines(level, "json")]
    assert lines[0]["event"] == first
    assert not any("Started" in line["event"] for line in lines)


def test_a_closed_log_does_not_stop_the_process() -> None:
    """If the log's reader is gone, the line is lost and work continues."""
    script = LOGGING_SCRIPT.format(level="info", form="json") + "print('went on')"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stdout == "went on\n"
