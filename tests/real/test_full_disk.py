"""Tests that a full disk is reported and causes no loss, and that work resumes with free space."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.real.server import EVENTS, Caller, Server, command, environment
from tests.real.sites import KEYS, event, ndjson

SIZE = 128 << 20  # bytes, of which the preallocated write-ahead log takes 16 MiB
LEFT = 16 << 20  # bytes that a full disk has for the server; all else is free again later
BATCH = 2000  # events; about 400 KiB
KEY = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}


def mounted(kind: str, image: Path, on: Path) -> bool:
    """Mount a small file system. Returns whether this was possible."""
    on.mkdir()
    if shutil.which("mount") is None:
        return False
    if kind == "tmpfs":
        words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(on)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    if shutil.which("mkfs.ext4") is None:
        return False
    with image.open("wb") as file:
        file.truncate(SIZE)
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=False)
    words = ["mount", "-o", "loop", str(image), str(on)]
    return (
        made.returncode == 0
        and not subprocess.run(words, capture_output=True, check=False).returncode
    )


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Provide a small disk. Skips the test if the disk cannot be mounted."""
    folder = tmp_path / "disk"
    if os.geteuid() != 0 or not mounted(request.param, tmp_path / "image", folder):
        pytest.skip(f"only root may mount a {request.param} of its own, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def batch(number: int) -> bytes:
    """Return the body of a request with new events of about 200 bytes each."""
    account = "x" * 60
    return ndjson(
        event("call.start", f"{number}/{n}", service="Sales", direction="INBOUND",
              transactionId=number * BATCH + n, sessionId="s", account=account)
        for n in range(BATCH)
    )  # fmt: skip


def send(caller: Caller, number: int) -> httpx.Response:
    return caller.http.post("/ingest/v1/events", content=batch(number), headers=KEY)


def fill(path: Path) -> None:
    """Fill the remaining space of the disk with a file."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command until it ends. Returns its output and exit code."""
    return subprocess.run(
        command(*words), env=environment(), capture_output=True, text=True, check=False, timeout=60
    )


def test_a_full_disk_stops_intake_until_there_is_room(disk: Path) -> None:
    """Events get 503 until the disk has room. Acknowledged events survive, even after SIGKILL."""
    (disk / "home").mkdir()
    server = Server(disk / "home")
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - LEFT))
    with server, Caller(server.url) as caller:
        session = caller.login()
        begin = caller.feed(EVENTS).token
        acknowledged = 0
        while (answer := send(caller, acknowledged)).status_code == 200:
            acknowledged += 1
        assert acknowledged
        assert answer.status_code == 503
        assert answer.json()["message"] == "the log cannot be written: the disk is full"
        assert int(answer.headers["Retry-After"]) >= 1
        assert send(caller, acknowledged).status_code == 503
        ballast.unlink()
        took = caller.take(batch(acknowledged))
        assert took["accepted"] + took["duplicates"] == BATCH
        assert caller.http.get("/readyz").status_code == 200
        server.kill()
        server.start()
        caller.http.headers["LV-Session"] = session
        for number in range(acknowledged + 1):
            assert caller.take(batch(number))["duplicates"] == BATCH
        assert len(caller.feed(EVENTS, begin).events) == 1000


@pytest.mark.parametrize("disk", ["tmpfs"], indirect=True)
def test_a_start_and_a_backup_report_a_full_disk(disk: Path, tmp_path: Path) -> None:
    """A start and a backup each print one line about the full disk. A backup works afterwards."""
    server = Server(tmp_path)
    with server, Caller(server.url) as caller:
        caller.take(batch(0))
    fill(disk / "ballast")
    starts = run("serve", "--data", disk / "data", "--site", server.site, "--port", 0)
    backs_up = run("backup", disk / "backup", "--data", server.data)
    for said in (starts, backs_up):
        assert said.returncode == 1
        assert said.stdout == ""
        (line,) = [line for line in said.stderr.splitlines() if line.startswith("floorcast: ")]
        assert re.search("No space left on device|disk is full", line), line
    assert str(disk) in starts.stderr
    (disk / "ballast").unlink()
    shutil.rmtree(disk / "backup.part", ignore_errors=True)
    again = run("backup", disk / "backup", "--data", server.data)
    assert again.returncode == 0, again.stderr
