"""Webhooks in a site file: what is taken, and how each mistake is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.model.errors import SettingError
from floorcast.site.cautions import example_secrets
from floorcast.site.file_reader import parse
from floorcast.site.live_site import Site
from floorcast.site.webhooks import WebhookFilter
from tests.site.sites import SMALL, applied

SECRET = "whsec_" + "QUFB" * 10


def site(**members: str) -> str:
    """The small site, whose first client has a webhook with these members, as TOML."""
    given = {
        "name": '"ops"',
        "url": '"https://example.org/a-secret-path"',
        "secret": f'"{SECRET}"',
        "send": '["interaction"]',
    }
    table = "\n".join(f"{key} = {value}" for key, value in (given | members).items() if value)
    first, second = SMALL.split("[[client]]\nid = 2")
    return f"{first}[[client.webhook]]\n{table}\n\n[[client]]\nid = 2{second}"


def test_names_in_a_filter_become_ids() -> None:
    """Services and call centers are given by id or name."""
    chosen = '{service = ["Help", 101], callCenter = ["North"], interactionType = ["SMS"]}'
    kv = MemoryKeyValueStore()
    applied(site(filter=chosen), kv)
    (webhook,) = Site(kv).clients[1].webhooks
    assert webhook.filter == WebhookFilter(
        service=(101, 102), call_center=(11,), interaction_type=("SMS",)
    )
    assert webhook.secrets == (SECRET,)


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "name": ({"name": '"Ops team"'}, "name must have at most 63 lower-case letters"),
    "no url": ({"url": ""}, "url is required"),
    "no address": ({"url": '"example.org"'}, "url must be an address such as https://"),
    "another scheme": ({"url": '"file:///etc/passwd"'}, "url must be an address such as https://"),
    "port": ({"url": '"https://example.org:99999/"'}, "url must be an address such as https://"),
    "user": ({"url": '"https://a:b@example.org/"'}, "url must not have a user"),
    "spaces": ({"url": '"https://example.org/a b"'}, "without spaces"),
    "clear text": ({"url": '"http://example.org/"'}, "url must start with https://"),
    "secret": (
        {"secret": '"0123456789012345678901234567"'},
        "secret must be whsec_ and the base64",
    ),
    "short secret": ({"secret": '"whsec_QUFB"'}, "floorcast webhook secret creates one"),
    "same secret": ({"previous_secret": f'"{SECRET}"'}, "previous_secret must be another"),
    "nothing sent": ({"send": "[]"}, "send must be"),
    "unknown feed": ({"send": '["calls"]'}, "send[0] must be"),
    "service": ({"filter": '{service = ["Halp"]}'}, "filter.service: Halp is not a service"),
    "center": ({"filter": "{callCenter = [21]}"}, "filter.callCenter: 21 is not a call_center"),
    "filter": ({"filter": '{interaction_type = ["SMS"]}'}, "did you mean interactionType?"),
    "template": ({"template": '"{{ event.id }}"'}, "template: the body is not JSON"),
    "media type": ({"content_type": '"text/plain"'}, "content_type needs a template"),
    "no media type": ({"content_type": '"a\\nb"', "template": '"x"'}, "must be a media type"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_says_where_it_is_and_what_to_write(mistake: str) -> None:
    """With the client's and the webhook's name, and without the secret or the path."""
    members, said = MISTAKES[mistake]
    with pytest.raises(SettingError) as error:
        parse(site(**members))
    text = str(error.value)
    assert said in text
    assert "client 1, webhook" in text
    assert "a-secret-path" not in text
    assert SECRET not in text


def test_a_feed_that_is_not_switched_on_is_told() -> None:
    """A webhook cannot send what the client does not have."""
    with pytest.raises(SettingError, match="the agent feed is not in the client's feeds"):
        parse(site(send='["agent"]').replace('["agent", "interaction"]', '["interaction"]', 1))


def test_a_name_is_used_once() -> None:
    """Two webhooks of a client have different names."""
    table = site().split("[[client.webhook]]")[1].split("[[client]]")[0]
    with pytest.raises(SettingError, match="webhook ops: the name is used twice"):
        parse(
            site().replace("[[client]]\nid = 2", f"[[client.webhook]]{table}\n[[client]]\nid = 2")
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(SECRET, "whsec_" + "QkJC" * 10),
        lambda text: text.replace("a-secret-path", "another-path"),
    ],
)
def test_changes_are_listed_without_secrets(change: Callable[[str], str]) -> None:
    """The member that changed is named; its value is not."""
    kv = MemoryKeyValueStore()
    told = applied(site(), kv) + applied(change(site()), kv)
    text = " ".join(" ".join(one) for one in told)
    assert "webhook ops" in text
    for secret in (SECRET, "QkJC", "a-secret-path", "another-path"):
        assert secret not in text
    assert applied(change(site()), kv) == []


def test_the_secret_of_the_docs_is_warned_of() -> None:
    """It is published."""
    published = '"whsec_ZXhhbXBsZS13ZWJob29rLXNlY3JldC1jaGFuZ2UtbWU="'
    assert list(example_secrets(parse(site()))) == []
    (warning,) = example_secrets(parse(site(secret=published)))
    assert "webhook ops: the secret is that of the published example" in warning
