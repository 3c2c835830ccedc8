"""Tests of the verifiers and recipes in docs/webhooks.md with real requests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest

from floorcast.site.body_template import EXAMPLES, render
from floorcast.site.file_reader import parse
from floorcast.webhooks.signatures import signature_headers, signing_key
from tests.real.server import free_port
from tests.site.sites import SMALL

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text("utf-8")
SECRET = "whsec_ZXhhbXBsZS13ZWJob29rLXNlY3JldC1jaGFuZ2UtbWU="
BODY = '[{"id": "1", "data": {"account": "Ä \\" €"}}]'


def blocks(language: str) -> list[str]:
    """Return the page's code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


RECIPES: dict[str, dict[str, Any]] = {
    hook["name"]: hook
    for block in blocks("toml")
    for client in tomllib.loads("[[client]]\n" + block)["client"]
    for hook in client["webhook"]
}


def verdicts(command: list[str], code: str, folder: Path, suffix: str) -> list[bool]:
    """Run a verifier on several requests. Returns which of them it accepts.

    The requests are valid, changed, too old, signed with two secrets, and signed with another
    secret.
    """
    now = int(time.time()) * 10_000_000
    other = signing_key("whsec_" + "QUFB" * 10)
    keys = [signing_key(SECRET)]
    old = now - 400 * 10_000_000
    cases = [
        {"headers": signature_headers(keys, "msg_1", now, BODY.encode()), "body": BODY},
        {"headers": signature_headers(keys, "msg_1", now, BODY.encode()), "body": BODY + " "},
        {"headers": signature_headers(keys, "msg_1", old, BODY.encode()), "body": BODY},
        {"headers": signature_headers([other, *keys], "msg_1", now, BODY.encode()), "body": BODY},
        {"headers": signature_headers([other], "msg_1", now, BODY.encode()), "body": BODY},
    ]
    file = folder / f"verifier{suffix}"
    file.write_text(code)
    given = json.dumps({"secret": SECRET, "cases": cases})
    result = subprocess.run(
        [*command, file], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    said: list[bool] = json.loads(result.stdout)
    return said


RIGHT = [True, False, False, True, False]


def test_python_verifier_accepts_only_valid_requests(tmp_path: Path) -> None:
    """The verifier refuses changed requests, old requests, and requests with another secret."""
    code, _receiver = blocks("python")
    code += """
import json, sys
given = json.load(sys.stdin)
print(json.dumps([verify(given["secret"], one["headers"], one["body"].encode())
                  for one in given["cases"]]))
"""
    assert verdicts([sys.executable], code, tmp_path, ".py") == RIGHT


def test_receiver_prints_the_events_of_valid_requests(tmp_path: Path) -> None:
    """The receiver on the page accepts a signed request and refuses a changed one."""
    port = free_port()
    file = tmp_path / "receiver.py"
    file.write_text("\n\n".join(blocks("python")).replace("9000", str(port)))
    body = json.dumps([{"id": "1", "type": "floorcast.agent", "data": {"agentId": 7}}]).encode()
    now = int(time.time()) * 10_000_000
    headers = signature_headers([signing_key(SECRET)], "msg_1", now, body)
    with subprocess.Popen(
        [sys.executable, file], env={"SECRET": SECRET}, stdout=subprocess.PIPE, text=True
    ) as receiver:
        try:
            retrying = httpx.HTTPTransport(retries=10)  # until the receiver listens
            with httpx.Client(transport=retrying, base_url=f"http://127.0.0.1:{port}") as http:
                answers = [
                    http.post("/", content=one, headers=headers) for one in (body, body + b" ")
                ]
            assert [one.status_code for one in answers] == [204, 401]
            assert receiver.stdout
            assert receiver.stdout.readline() == "1 floorcast.agent {'agentId': 7}\n"
        finally:
            receiver.terminate()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_verifier_accepts_only_valid_requests(tmp_path: Path) -> None:
    """The JavaScript verifier accepts the same requests as the Python verifier."""
    (code,) = blocks("js")
    code += """
const given = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(given.cases.map((one) =>
  verify(given.secret, one.headers, Buffer.from(one.body)))));
"""
    assert verdicts(["node"], code, tmp_path, ".js") == RIGHT


@pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")
def test_php_verifier_accepts_only_valid_requests(tmp_path: Path) -> None:
    """The PHP verifier accepts the same requests as the Python verifier."""
    (code,) = blocks("php")
    code += """
$given = json_decode(file_get_contents('php://stdin'), true);
echo json_encode(array_map(fn($one) => verify($given['secret'], $one['headers'], $one['body']),
                           $given['cases']));
"""
    assert verdicts(["php"], code, tmp_path, ".php") == RIGHT


def test_each_table_on_the_page_is_valid_in_a_site() -> None:
    """The page's tables are valid as printed, in a site that has the page's services."""
    tables = "\n".join(blocks("toml"))
    site = SMALL.replace('name = "Help"', 'name = "Support"')
    first, second = site.split("[[client]]\nid = 2")
    (client, _) = parse(f"{first}{tables}\n[[client]]\nid = 2{second}").clients
    assert [one.name for one in client.webhook] == list(RECIPES)


def rendered(recipe: str, status: str) -> Any:  # noqa: ANN401 — JSON
    """Return the body that a recipe makes for an alert with this status.

    The result is None if the recipe sends nothing.
    """
    event = dict(EXAMPLES["alerts"])
    data = event["data"]
    assert isinstance(data, dict)
    event["data"] = data | {"status": status}
    body = render(RECIPES[recipe]["template"], "application/json", event)
    return json.loads(body) if body else None


def test_slack_recipe_sends_only_firing_alerts() -> None:
    """The Slack recipe sends a text if the alert is firing, and otherwise nothing."""
    assert rendered("slack", "firing") == {
        "text": 'Support: "long" wait at Support "A": longestCallInQueue is 130, above 120'
    }
    assert [rendered("slack", one) for one in ("ok", "pending", "acknowledged")] == [None] * 3


def test_alertmanager_recipe_keeps_labels_and_ends_resolved_alerts() -> None:
    """A resolved alert has the same labels as the firing alert, and ends at the event's time."""
    (firing,), (over,) = rendered("alertmanager", "firing"), rendered("alertmanager", "ok")
    assert firing["labels"] == over["labels"]
    assert firing["labels"]["alertname"] == 'Support: "long" wait'
    assert all(isinstance(value, str) for value in firing["labels"].values())
    assert firing["endsAt"] > "2099"
    assert over["endsAt"] == EXAMPLES["alerts"]["time"]
    assert rendered("alertmanager", "pending") is None


def test_pagerduty_recipe_uses_one_key_per_alert() -> None:
    """An alert's trigger, acknowledge and resolve events have the same ``dedup_key``."""
    events = [rendered("pagerduty", one) for one in ("firing", "acknowledged", "ok")]
    assert [one["event_action"] for one in events] == ["trigger", "acknowledge", "resolve"]
    assert len({one["dedup_key"] for one in events}) == 1
    for one in events:
        assert one["payload"].keys() >= {"summary", "source", "severity"}
        assert one["payload"]["severity"] in {"critical", "error", "warning", "info"}
        assert re.fullmatch("[0-9a-f]{32}", one["routing_key"])
    assert rendered("pagerduty", "pending") is None


def test_lunch_recipe_is_sent_for_that_reason_only() -> None:
    """The lunch recipe sends a text only for the reason LUNCH."""
    recipe = RECIPES["lunch"]
    event = dict(EXAMPLES["agent"])
    assert render(recipe["template"], recipe["content_type"], event) == b""
    event["data"] = {"notReadyReasonCode": "LUNCH", "agentLoginId": "ANN"}
    assert render(recipe["template"], recipe["content_type"], event) == b"ANN is at lunch"
