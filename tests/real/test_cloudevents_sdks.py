"""Tests that the CloudEvents SDKs for Python and JavaScript can send events to a server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.real.server import Server, environment, running
from tests.real.sites import KEYS

JS_SDK = "cloudevents@10.0.0"
ID = "Z\u00fcrich 1/50%"  # a header must encode it
DATA = {"transactionId": 1, "sessionId": "s\u20ac", "service": "PS", "direction": "INBOUND"}
SCRIPT = """
import { CloudEvent, Mode, emitterFor, httpTransport } from "cloudevents";

const { URL, KEY, MODE } = process.env;
const sink = { headers: { Authorization: `Bearer ${KEY}` } };
const options = MODE ? { mode: Mode[MODE] } : {};
const emit = emitterFor(httpTransport(URL), options);
const data = { transactionId: 2, sessionId: "s\u20ac", service: "PS", direction: "INBOUND" };
const event = new CloudEvent({ id: "Z\u00fcrich 2", source: "js", type: "call.start", data });
const { body } = await emit(event, sink);
console.log(body);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server."""
    with running(tmp_path_factory.mktemp("sdks")) as server:
        yield server


def post(server: Server, message: HTTPMessage) -> dict[str, object]:
    """Send a request that the SDK made, with an ingest key. Returns the verdicts."""
    headers = {**message.headers, "Authorization": f"Bearer {KEYS['ACME']}"}
    url = f"{server.url}/ingest/v1/events"
    answer: dict[str, object] = httpx.post(url, content=message.body, headers=headers).json()
    return answer


def test_the_python_sdk_can_send_events(server: Server) -> None:
    """The SDK's binary mode and structured mode send the same event.

    Both modes keep the SDK's id and time.
    """
    attributes = {"type": "call.start", "source": "python"}
    accepted = {"accepted": 1, "duplicates": 0, "rejected": []}
    assert post(server, to_binary_event(CloudEvent(attributes, DATA))) == accepted
    named = {**attributes, "id": ID, "datacontenttype": "application/json"}
    event = CloudEvent(named, DATA)
    assert post(server, to_binary_event(event)) == accepted
    duplicate = {"accepted": 0, "duplicates": 1, "rejected": []}
    assert post(server, to_structured_event(event)) == duplicate
    packed = CloudEvent({**named, "id": "raw"}, httpx.Request("POST", "/", json=DATA).content)
    assert post(server, to_structured_event(packed)) == accepted  # sent as data_base64


@pytest.mark.long
def test_the_javascript_sdk_can_send_events(server: Server, tmp_path: Path) -> None:
    """The SDK's default mode, which is binary, and its structured mode send the same event."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no node and npm here")
    install = [npm, "install", "--prefer-offline", "--no-audit", "--no-fund", JS_SDK]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip(f"npm cannot install {JS_SDK} here")
    (tmp_path / "send.mjs").write_text(SCRIPT, "utf-8")

    def send(mode: str) -> str:
        url = f"{server.url}/ingest/v1/events"
        variables = environment(URL=url, KEY=KEYS["ACME"], MODE=mode)
        return subprocess.run(
            [node, "send.mjs"],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert '"accepted":1,' in send("")
    assert '"duplicates":1,' in send("STRUCTURED")


def test_ids_are_stored_as_sent(server: Server) -> None:
    """An id is stored decoded, so an event in another mode or from another program is equal."""
    named = {"type": "call.end", "source": "python", "id": ID}
    assert post(server, to_binary_event(CloudEvent(dict(named), DATA)))
    from_structured = {**named, "specversion": "1.0", "data": DATA}
    answer = httpx.post(
        f"{server.url}/ingest/v1/events",
        json=[from_structured],
        headers={"Authorization": f"Bearer {KEYS['ACME']}"},
    )
    assert answer.json()["duplicates"] == 1
