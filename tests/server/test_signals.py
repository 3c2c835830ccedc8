"""Tests of signals: a reload is harmless, and nothing interrupts the end of a program."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from floorcast.server.signals import handle_hangup, ignore_hangup
from tests.cli.terminal import Terminal
from tests.real.nodes import until
from tests.real.server import (
    EVENTS,
    Caller,
    Server,
    command,
    environment,
    free_port,
    running,
    send_until_ended,
)
from tests.real.sites import event, ndjson

TEXT = ndjson([event("sms.attempt", "hangup", service=77, eventType="Attempt")])


@pytest.fixture
def restored() -> Iterator[None]:
    """Restore the handler at the end."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("restored")
def test_a_signal_before_the_loop_runs_is_ignored() -> None:
    """A reload right after the start must not end the process."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ignore_hangup()
    os.kill(os.getpid(), signal.SIGHUP)
    calls: list[str] = []

    async def main() -> None:
        handle_hangup(lambda: calls.append("reload"), lambda: calls.append("stop"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: calls)

    asyncio.run(main())
    assert calls == ["reload"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_repeated_signals_do_not_interrupt_the_end(tmp_path: Path, number: signal.Signals) -> None:
    """The exit code is 0, and the snapshot is written, until the process has ended."""
    server = Server(tmp_path)
    arguments = ("serve", "--data", server.data, "--site", server.site, "--port", server.port)
    with subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"floorcast answers at")
        process.terminate()
        send_until_ended(process, number)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 0
    assert (server.data / "audit.log").read_text().splitlines()[-1].endswith('"event":"stop"}')


def test_sighup_without_tls_does_not_end_the_server(tmp_path: Path) -> None:
    """Nothing can be reloaded. The server logs this, continues, and still stops cleanly."""
    with running(tmp_path) as server, Caller(server.url) as caller:
        caller.login()
        token = caller.feed(EVENTS).token
        for number in range(1, 4):
            server.send_signal(signal.SIGHUP)
            while server.log.read_text().count('"event": "nothing_to_reload"') < number:
                assert caller.http.get("/healthz").status_code == 200
        assert caller.take(TEXT)["accepted"] == 1
        assert len(caller.feed(EVENTS, token).events) == 1
        assert server.terminate() == 0


def test_a_closed_terminal_stops_the_server_cleanly(tmp_path: Path) -> None:
    """The server does not stay behind without its terminal, and its next start finds its data."""
    server = Server(tmp_path)
    arguments = ("serve", "--data", server.data, "--site", server.site, "--port", free_port())
    with Terminal(command(*arguments), environment()) as terminal:
        terminal.until("floorcast answers at")
        assert terminal.hang_up() == 0
    assert (server.data / "audit.log").read_text().splitlines()[-1].endswith('"event":"stop"}')
