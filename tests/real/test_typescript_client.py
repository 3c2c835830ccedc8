"""Tests that a TypeScript client that is generated from ``/openapi.json`` works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.real.server import Caller, environment, running
from tests.real.sites import PASSWORD, TOKENS, event, ndjson

pytestmark = pytest.mark.long

CLIENT = Path(__file__).with_name("typescript") / "client.ts"
PACKAGES = (
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@20.19.43",
)
COMPILED = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
CALL = {"transactionId": 1, "sessionId": "S1"}
EVENTS = ndjson(
    [
        event("call.start", 1, **CALL, service=1, direction="INBOUND"),
        event("call.queue", 2, **CALL),
    ]
)


def ran(words: Sequence[object], folder: Path) -> str:
    """Run a program, which must succeed. Returns its output."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_generated_client_compiles_and_reads_the_floor(tmp_path: Path) -> None:
    """The generated client compiles, logs in, and reads figures and a feed.

    Its types distinguish the kinds of events in a feed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no node and npm here")
    if "CI" not in os.environ:
        pytest.skip("installs a compiler from npm: CI runs it (CI=1 make test ARGS=...)")
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}', "utf-8")
    ran([npm, "install", "--prefer-offline", "--no-audit", "--no-fund", *PACKAGES], tmp_path)
    shutil.copy(CLIENT, tmp_path)
    programs = tmp_path / "node_modules" / ".bin"
    with running(tmp_path) as server, Caller(server.url) as caller:
        assert caller.take(EVENTS)["accepted"] == 2
        (tmp_path / "openapi.json").write_text(caller.http.get("/openapi.json").text, "utf-8")
        ran([programs / "openapi-typescript", "openapi.json", "-o", "api.d.ts"], tmp_path)
        ran([programs / "tsc", *COMPILED, "client.ts"], tmp_path)
        said = ran([node, "client.js", server.url, TOKENS["ACME"], PASSWORD], tmp_path)
    assert json.loads(said) == {"waiting": [1], "behind": 1, "phones": 1, "token": True}
