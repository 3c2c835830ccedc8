"""Tests of the errors in a webhook's table."""

from __future__ import annotations

import pytest

from floorcast.model.errors import SettingError
from floorcast.site.file_reader import parse
from tests.site.sites import HOOK_SECRET, with_webhook

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
    "same secret": ({"previous_secret": f'"{HOOK_SECRET}"'}, "previous_secret must differ"),
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
def test_each_error_names_its_place_and_the_fix(mistake: str) -> None:
    """The error names the client and the webhook, but contains neither the secret nor the path."""
    members, message = MISTAKES[mistake]
    with pytest.raises(SettingError) as error:
        parse(with_webhook(**members))
    text = str(error.value)
    assert message in text
    assert "client 1, webhook" in text
    assert "a-secret-path" not in text
    assert HOOK_SECRET not in text


def test_a_feed_that_is_not_switched_on_is_refused() -> None:
    """A webhook cannot send a feed that is not enabled for the client."""
    with pytest.raises(SettingError, match="the agent feed is not in the client's feeds"):
        parse(
            with_webhook(send='["agent"]').replace('["agent", "interaction"]', '["interaction"]', 1)
        )


def test_webhook_names_must_be_unique() -> None:
    """A client's webhooks must have different names."""
    table = with_webhook().split("[[client.webhook]]")[1].split("[[client]]")[0]
    with pytest.raises(SettingError, match="webhook ops: the name is used twice"):
        parse(
            with_webhook().replace(
                "[[client]]\nid = 2", f"[[client.webhook]]{table}\n[[client]]\nid = 2"
            )
        )
