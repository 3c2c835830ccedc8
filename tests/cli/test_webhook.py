"""Tests of ``floorcast webhook``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook as Verifier

from floorcast.kv.folder import open_kv
from floorcast.kv.port import Item
from floorcast.kv.token_secret import token_secret
from floorcast.log.lost_entries import KnownLog
from floorcast.model.errors import InvalidParameter, SettingError, Unavailable
from floorcast.model.token import (
    TICKS_PER_SECOND,
    decode,
    encode,
    end_of_entry,
    entry_of,
    system_now,
)
from floorcast.server.stores import LOG_END_KEY
from floorcast.webhooks.progress import (
    BUCKET,
    Progress,
    progress_item,
    read_progress,
    record_failure,
    suspend,
)
from tests.cli.admin_commands import AdminCommands
from tests.site.sites import SMALL, run

SECRET = "whsec_" + "QUFB" * 10


class WebhookReceiver(HTTPServer):
    """A receiver that responds with ``status``. ``got`` has the requests."""

    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the library's
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Run a receiver in its own thread."""
    with WebhookReceiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver
) -> AdminCommands:
    """Return commands on a folder with an applied site that has a webhook."""
    admin = AdminCommands(tmp_path, monkeypatch)
    admin.folder.joinpath("site.toml").write_text(with_webhook(receiver.server_port))
    admin.run("site", "apply", "site.toml")
    return admin


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


def stored_progress(admin: AdminCommands) -> Progress:
    """Return the stored progress of the webhook."""
    kv = open_kv(admin.folder / "floorcast-data")
    found = read_progress(kv.get(BUCKET, "1.ops"))
    run(kv.close())
    return found


def store_progress(admin: AdminCommands, progress: Progress) -> bytes:
    """Store the progress as a server does, and return the tokens' secret."""
    kv = open_kv(admin.folder / "floorcast-data")
    run(kv.write([progress_item(1, "ops", progress)]))
    secret = run(token_secret(kv))
    run(kv.close())
    return secret


def test_list_shows_the_state_without_secrets(admin: AdminCommands) -> None:
    """The list is right before the first event, during retries, and after suspension."""
    lines = admin.run("webhook", "list", "--client", "1").splitlines()
    head, first = lines
    assert head.split() == [
        *("id", "name", "receiver", "state", "delivered", "failed", "up", "to", "reason")
    ]
    assert first.split()[1] == "ops"
    assert first.split()[3:] == ["active", "0", "0", "now", "-"]
    assert "a-secret-path" not in first
    place = encode(
        1, 1_770_000_000 * TICKS_PER_SECOND, end_of_entry(7), store_progress(admin, Progress())
    )
    trying = record_failure(
        Progress(token=place, events=1234), "the receiver responded with 500", 1, 1.0
    )
    store_progress(admin, trying)
    output = admin.run("webhook", "list", "--client", "1").splitlines()[1]
    assert "retrying after 1 failure " in output
    assert "1,234" in output
    assert "2026-02-02T02:40:00Z  the receiver responded with 500" in output
    store_progress(admin, suspend(trying, "the receiver responded with 410 Gone"))
    assert "suspended" in admin.run("webhook", "list", "--client", "1")
    assert admin.run("webhook", "list", "--client", "2") == (
        "client ACME West has no webhooks; declare them in the site file: [[client.webhook]]\n"
    )
    assert SECRET not in admin.run("site", "show")
    assert "webhooks" in admin.run("site", "show")


def test_resume_and_skip_change_the_stored_progress(admin: AdminCommands) -> None:
    """A running server sees the next order, and the audit log has both."""
    secret = store_progress(admin, suspend(Progress(token="here", end="there"), "gone"))
    assert "active again" in admin.run("webhook", "resume", "ops", "--client", "1")
    assert (
        stored_progress(admin).state,
        stored_progress(admin).token,
        stored_progress(admin).order,
    ) == ("active", "here", 1)
    token = encode(1, system_now(), end_of_entry(7), secret)
    admin.run("webhook", "resume", "ops", "--client", "1", "--from", token)
    assert (
        stored_progress(admin).token,
        stored_progress(admin).end,
        stored_progress(admin).order,
    ) == (token, "", 2)
    admin.run("webhook", "skip", "ops", "--client", "1")
    assert (stored_progress(admin).token, stored_progress(admin).order) == ("", 3)
    audit = admin.run("audit", "--json")
    assert audit.count('"webhook_resumed"') == 2
    assert audit.count('"webhook_skipped"') == 1


def test_unusable_token_is_refused(admin: AdminCommands) -> None:
    """A malformed token, a token that is too old, and an empty token are refused."""
    with pytest.raises(InvalidParameter, match="expected a token"):
        admin.invoke("webhook", "resume", "ops", "--client", "1", "--from", "yesterday")
    old = encode(1, system_now() - 25 * 3600 * TICKS_PER_SECOND, end_of_entry(7))
    with pytest.raises(InvalidParameter, match="more than 24 hours old"):
        admin.invoke("webhook", "resume", "ops", "--client", "1", "--from", old)
    assert "webhook skip" in admin.run_refused(
        "webhook", "resume", "ops", "--client", "1", "--from", ""
    )
    assert stored_progress(admin) == Progress()


def test_a_token_from_the_future_is_refused(admin: AdminCommands) -> None:
    """The error has both times. A token from a clock that is slightly ahead is accepted."""
    secret = store_progress(admin, Progress())
    later = encode(1, system_now() + 60 * TICKS_PER_SECOND, end_of_entry(7), secret)
    with pytest.raises(InvalidParameter, match="in the future; this machine's time is 20"):
        admin.invoke("webhook", "resume", "ops", "--client", "1", "--from", later)
    assert stored_progress(admin) == Progress()
    soon = encode(1, system_now() + TICKS_PER_SECOND, end_of_entry(7), secret)
    admin.run("webhook", "resume", "ops", "--client", "1", "--from", soon)


def foreign_token(client: int, other: bytes, secret: bytes) -> str:
    """Return another log's token, which client 1 reads as one of the log's later half.

    A token that happens to be read as an earlier position cannot be recognized.
    """
    begin = system_now() - 60 * TICKS_PER_SECOND
    made = (encode(client, begin + tick, end_of_entry(7), other) for tick in count())
    return next(
        one
        for one in made
        if min(entry_of(decode(1, one, key).position) for key in (secret, b"")) > 1 << 43
    )


@pytest.mark.parametrize("known", ["nothing", "position", "log"])
def test_a_token_of_another_log_is_refused(admin: AdminCommands, known: str) -> None:
    """A token of another client, installation or program is refused, and nothing changes.

    This works whether or not the store has a position of the webhook or the end of the log.
    """
    secret = store_progress(admin, Progress())
    before = Progress(token=encode(1, system_now(), end_of_entry(900), secret))
    if known == "position":
        store_progress(admin, before)
    elif known == "log":
        kv = open_kv(admin.folder / "floorcast-data")
        run(kv.write([Item(*LOG_END_KEY, msgspec.json.encode(KnownLog("x", {1: 900})))]))
        run(kv.close())
    for client, other in ((2, secret), (1, b"another installation's secret"), (2, b"")):
        foreign = foreign_token(client, other, secret)
        with pytest.raises(InvalidParameter, match="not from a feed of client"):
            admin.invoke("webhook", "resume", "ops", "--client", "1", "--from", foreign)
    assert stored_progress(admin).order == 0
    own = encode(1, system_now() - 60 * TICKS_PER_SECOND, end_of_entry(890), secret)
    admin.run("webhook", "resume", "ops", "--client", "1", "--from", own)
    assert stored_progress(admin).token == own


def test_unknown_name_error_lists_the_webhooks(admin: AdminCommands) -> None:
    """The error lists only the webhooks of that client."""
    assert "it declares ops" in admin.run_refused("webhook", "skip", "opps", "--client", "1")
    assert "it declares none" in admin.run_refused("webhook", "skip", "ops", "--client", "2")


def test_test_event_is_signed_and_changes_nothing(
    admin: AdminCommands, receiver: WebhookReceiver
) -> None:
    """The test event has its own type. Any response other than 2xx is an error."""
    output = admin.run("webhook", "test", "ops", "--client", "1")
    assert output.startswith("the receiver responded with 204 in ")
    headers, body = receiver.got[0]
    (event,) = Verifier(SECRET).verify(body, headers)
    assert event["type"] == "floorcast.test"
    assert stored_progress(admin) == Progress()
    receiver.status = 302
    with pytest.raises(SettingError, match="only 2xx"):
        admin.invoke("webhook", "test", "ops", "--client", "1")


def test_test_event_uses_the_template(admin: AdminCommands, receiver: WebhookReceiver) -> None:
    """The test sends what the server would send for such an event."""
    template = "template = '{\"text\": {{ event.type | json }}}'\nallow_private = true"
    admin.folder.joinpath("site.toml").write_text(with_webhook(receiver.server_port, template))
    admin.run("site", "apply", "site.toml")
    admin.run("webhook", "test", "ops", "--client", "1")
    headers, body = receiver.got[0]
    assert msgspec.json.decode(body) == {"text": "floorcast.agent"}
    assert headers["content-type"] == "application/json"


def test_private_address_is_refused(admin: AdminCommands, receiver: WebhookReceiver) -> None:
    """The test refuses it as the server would."""
    text = with_webhook(receiver.server_port, "").replace("http://", "https://")
    admin.folder.joinpath("site.toml").write_text(text)
    admin.run("site", "apply", "site.toml")
    with pytest.raises(Unavailable, match="private network"):
        admin.invoke("webhook", "test", "ops", "--client", "1")
    assert receiver.got == []


def test_new_secret_is_valid_in_the_site_file(
    admin: AdminCommands, receiver: WebhookReceiver
) -> None:
    """Each secret is different."""
    made = [admin.run("webhook", "secret").strip() for _ in range(2)]
    assert len(set(made)) == 2
    text = with_webhook(receiver.server_port).replace(SECRET, made[0])
    admin.folder.joinpath("site.toml").write_text(text)
    admin.run("site", "apply", "site.toml")


PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
RECIPES = [
    block
    for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    if "template" in block
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_in_the_docs_reaches_a_receiver(
    admin: AdminCommands, receiver: WebhookReceiver, recipe: str
) -> None:
    """The test replaces the recipe's address, and uses lunch as its reason."""
    local = f"http://127.0.0.1:{receiver.server_port}/"
    table = re.sub(r'(?m)^url = ".*"$', f'url = "{local}"', recipe).replace(
        '"LUNCH"', "'Lunch \"late\"'"
    )
    if "allow_private" not in table:
        table = table.replace("template =", "allow_private = true\ntemplate =")
    site = SMALL.replace("[[client]]\nid = 2\n", f"{table}\n[[client]]\nid = 2\n")
    admin.folder.joinpath("site.toml").write_text(site)
    admin.run("site", "apply", "site.toml")
    name = re.search(r'name = "(\w+)"', recipe)
    assert name is not None
    assert "204" in admin.run("webhook", "test", name[1], "--client", "1")
    headers, body = receiver.got[0]
    if headers["content-type"] == "application/json":
        assert msgspec.json.decode(body)
    else:
        assert b"at lunch" in body
