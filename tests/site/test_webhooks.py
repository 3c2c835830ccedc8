"""Tests of the forms in which a site's webhooks are stored and listed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.site.file_reader import parse
from floorcast.site.live_site import Site
from floorcast.site.site_warnings import example_secret_warnings
from floorcast.site.webhooks import WebhookFilter
from tests.site.sites import HOOK_SECRET, apply_text, with_webhook


def test_names_in_a_filter_become_ids() -> None:
    """A filter in the file can identify services and call centers by id or name."""
    chosen = '{service = ["Help", 101], callCenter = ["North"], interactionType = ["SMS"]}'
    kv = MemoryKeyValueStore()
    apply_text(with_webhook(filter=chosen), kv)
    (webhook,) = Site(kv).clients[1].webhooks
    assert webhook.filter == WebhookFilter(
        service=(101, 102), call_center=(11,), interaction_type=("SMS",)
    )
    assert webhook.secrets == (HOOK_SECRET,)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(HOOK_SECRET, "whsec_" + "QkJC" * 10),
        lambda text: text.replace("a-secret-path", "another-path"),
    ],
)
def test_changes_are_listed_without_secrets(change: Callable[[str], str]) -> None:
    """A changed secret is listed by name, without its value."""
    kv = MemoryKeyValueStore()
    applied_changes = apply_text(with_webhook(), kv) + apply_text(change(with_webhook()), kv)
    text = " ".join(" ".join(one) for one in applied_changes)
    assert "webhook ops" in text
    for secret in (HOOK_SECRET, "QkJC", "a-secret-path", "another-path"):
        assert secret not in text
    assert apply_text(change(with_webhook()), kv) == []


def test_the_published_secret_causes_a_warning() -> None:
    """The documentation's example secret causes a warning, because everybody knows it."""
    published = '"whsec_ZXhhbXBsZS13ZWJob29rLXNlY3JldC1jaGFuZ2UtbWU="'
    assert list(example_secret_warnings(parse(with_webhook()))) == []
    (warning,) = example_secret_warnings(parse(with_webhook(secret=published)))
    assert "webhook ops: the secret is from the published example" in warning
