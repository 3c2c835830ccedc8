"""Tests that verify signatures with the library of the Standard Webhooks specification."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from floorcast.webhooks.signatures import signature, signing_key


@given(key=st.binary(min_size=24, max_size=64), body=st.text(min_size=1, max_size=200))
def test_the_reference_library_verifies_our_signatures(key: bytes, body: str) -> None:
    """The library accepts a signature by either of two secrets, and by no other secret."""
    secret = "whsec_" + base64.b64encode(key).decode()
    other = "whsec_" + base64.b64encode(key[::-1] + b"x").decode()
    now = int(time.time())
    keys = [signing_key(other), signing_key(secret)]
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(keys, "msg_1", now, body.encode()),
    }
    for one in (secret, other):
        Webhook(one).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + " ", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"z" * 30).decode()).verify(
            body, headers, json_parse=False
        )


def test_a_secret_without_its_prefix_is_an_error() -> None:
    """A text without the prefix ``whsec_`` is not a valid secret."""
    with pytest.raises(ValueError, match="whsec_"):
        signing_key("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB")
