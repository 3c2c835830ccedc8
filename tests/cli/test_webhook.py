"""``floorcast webhook``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook as Verifier

from floorcast.kv.folder import open_kv
from floorcast.kv.token_secret import token_secret
from floorcast.model.errors import InvalidParameter, SettingError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, encode, end_of_entry, system_now
from floorcast.webhooks.progress import BUCKET, Progress, failed, item_of, read_progress, suspended
from tests.cli.desk import Desk
from tests.site.sites import SMALL, run

SECRET = "whsec_" + "QUFB" * 10


class Receiving(HTTPServer):
    """A receiver that responds with ``status``. ``got`` has the requests."""

    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the library's
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    """Run a receiver in its own thread."""
    with Receiving() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiving) -> Desk:
    """Return a desk with an applied site that has a webhook."""
    desk = Desk(tmp_path, monkeypatch)
    desk.folder.joinpath("site.toml").write_text(with_webhook(receiver.server_port))
    desk.says("site", "apply", "site.toml")
    return desk


def with_webhook(port: int, more: str = "allow_private = true") -> str:
    """Return the small site with a webhook for its first client."""
    table = f"""[[client.webhook]]
name = "ops"
url = "http://127.0.0.1:{port}/a-secret-path"
secret = "{SECRET}"
send = ["agent", "interaction"]
{more}

[[client]]
id = 2
"""
    return SMALL.replace("[[client]]\nid = 2\n", table)


def stored(desk: Desk) -> Progress:
    """Return the stored progress of the webhook."""
    kv = open_kv(desk.folder / "floorcast-data")
    found = read_progress(kv.get(BUCKET, "1.ops"))
    run(kv.close())
    return found


def store(desk: Desk, progress: Progress) -> bytes:
    """Store the progress as a server does, and return the tokens' secret."""
    kv = open_kv(desk.folder / "floorcast-data")
    run(kv.write([item_of(1, "ops", progress)]))
    secret = run(token_secret(kv))
    run(kv.close())
    return secret


def test_list_tells_the_state_and_no_secret(desk: Desk) -> None:
    """The list is right before the first event, during retries, and after suspension."""
    lines = desk.says("webhook", "list", "--client", "1").splitlines()
    head, first = lines
    assert head.split() == [
        *("id", "name", "receiver", "state", "delivered", "failed", "up", "to", "reason")
    ]
    assert first.split()[1] == "ops"
    assert first.split()[3:] == ["active", "0", "0", "now", "-"]
    assert "a-secret-path" not in first
    place = encode(1, 1_770_000_000 * TICKS_PER_SECOND, end_of_entry(7), store(desk, Progress()))
    trying = failed(Progress(token=place, events=1234), "the receiver answered 500", 1, 1.0)
    store(desk, trying)
    said = desk.says("webhook", "list", "--client", "1").splitlines()[1]
    assert "retrying after 1 failure " in said
    assert "1,234" in said
    assert "2026-02-02T02:40:00Z  the receiver answered 500" in said
    store(desk, suspended(trying, "the receiver answered 410 Gone"))
    assert "suspended" in desk.says("webhook", "list", "--client", "1")
    assert desk.says("webhook", "list", "--client", "2") == "the client declares no webhook\n"
    assert SECRET not in desk.says("site", "show")
    assert "webhooks" in desk.says("site", "show")


def test_resume_and_skip_change_the_stored_progress(desk: Desk) -> None:
    """A running server sees the next order, and the audit log has both."""
    secret = store(desk, suspended(Progress(token="here", end="there"), "gone"))
    assert "active again" in desk.says("webhook", "resume", "ops", "--client", "1")
    assert (stored(desk).state, stored(desk).token, stored(desk).order) == ("active", "here", 1)
    token = encode(1, system_now(), end_of_entry(7), secret)
    desk.says("webhook", "resume", "ops", "--client", "1", "--from", token)
    assert (stored(desk).token, stored(desk).end, stored(desk).order) == (token, "", 2)
    desk.says("webhook", "skip", "ops", "--client", "1")
    assert (stored(desk).token, stored(desk).order) == ("", 3)
    audit = desk.says("audit", "--json")
    assert audit.count('"webhook_resumed"') == 2
    assert audit.count('"webhook_skipped"') == 1


def test_a_token_that_cannot_be_used_is_refused(desk: Desk) -> None:
    """A malformed token, a token that is too old, and an empty token are refused."""
    with pytest.raises(InvalidParameter, match="expected a token"):
        desk.does("webhook", "resume", "ops", "--client", "1", "--from", "yesterday")
    old = encode(1, system_now() - 25 * 3600 * TICKS_PER_SECOND, end_of_entry(7))
    with pytest.raises(InvalidParameter, match="more than 24 hours old"):
        desk.does("webhook", "resume", "ops", "--client", "1", "--from", old)
    assert "webhook skip" in desk.refused("webhook", "resume", "ops", "--client", "1", "--from", "")
    assert stored(desk) == Progress()


def test_a_name_that_is_not_declared_is_told_with_those_that_are(desk: Desk) -> None:
    """The error lists only the webhooks of that client."""
    assert "it declares ops" in desk.refused("webhook", "skip", "opps", "--client", "1")
    assert "it declares none" in desk.refused("webhook", "skip", "ops", "--client", "2")


def test_a_test_is_signed_and_changes_nothing(desk: Desk, receiver: Receiving) -> None:
    """The test event has its own type. Any response other than 2xx is an error."""
    said = desk.says("webhook", "test", "ops", "--client", "1")
    assert said.startswith("the receiver answered 204 in ")
    headers, body = receiver.got[0]
    (event,) = Verifier(SECRET).verify(body, headers)
    assert event["type"] == "floorcast.test"
    assert stored(desk) == Progress()
    receiver.status = 302
    with pytest.raises(SettingError, match="only 2xx"):
        desk.does("webhook", "test", "ops", "--client", "1")


def test_a_test_of_a_template_sends_its_example(desk: Desk, receiver: Receiving) -> None:
    """The test sends what the server would send for such an event."""
    template = "template = '{\"text\": {{ event.type | json }}}'\nallow_private = true"
    desk.folder.joinpath("site.toml").write_text(with_webhook(receiver.server_port, template))
    desk.says("site", "apply", "site.toml")
    desk.says("webhook", "test", "ops", "--client", "1")
    headers, body = receiver.got[0]
    assert msgspec.json.decode(body) == {"text": "floorcast.agent"}
    assert headers["content-type"] == "application/json"


def test_a_private_address_is_refused(desk: Desk, receiver: Receiving) -> None:
    """The test refuses it as the server would."""
    text = with_webhook(receiver.server_port, "").replace("http://", "https://")
    desk.folder.joinpath("site.toml").write_text(text)
    desk.says("site", "apply", "site.toml")
    with pytest.raises(Unavailable, match="private network"):
        desk.does("webhook", "test", "ops", "--client", "1")
    assert receiver.got == []


def test_a_new_secret_fits_the_site_file(desk: Desk, receiver: Receiving) -> None:
    """Each secret is different."""
    made = [desk.says("webhook", "secret").strip() for _ in range(2)]
    assert len(set(made)) == 2
    text = with_webhook(receiver.server_port).replace(SECRET, made[0])
    desk.folder.joinpath("site.toml").write_text(text)
    desk.says("site", "apply", "site.toml")


PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
RECIPES = [
    block
    for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    if "template" in block
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_of_the_docs_reaches_a_receiver(
    desk: Desk, receiver: Receiving, recipe: str
) -> None:
    """The test replaces the recipe's address, and uses lunch as its reason."""
    local = f"http://127.0.0.1:{receiver.server_port}/"
    table = re.sub(r'(?m)^url = ".*"$', f'url = "{local}"', recipe).replace(
        '"LUNCH"', "'Lunch \"late\"'"
    )
    if "allow_private" not in table:
        table = table.replace("template =", "allow_private = true\ntemplate =")
    site = SMALL.replace("[[client]]\nid = 2\n", f"{table}\n[[client]]\nid = 2\n")
    desk.folder.joinpath("site.toml").write_text(site)
    desk.says("site", "apply", "site.toml")
    name = re.search(r'name = "(\w+)"', recipe)
    assert name is not None
    assert "204" in desk.says("webhook", "test", name[1], "--client", "1")
    headers, body = receiver.got[0]
    if headers["content-type"] == "application/json":
        assert msgspec.json.decode(body)
    else:
        assert b"at lunch" in body
