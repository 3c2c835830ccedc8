"""Checks the webhooks in a site file. Their types have been checked before."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from floorcast.site.body_template import TemplateError, check_template
from floorcast.site.webhooks import SECRET_PREFIX, Webhook, WebhookFilter

__all__ = ["webhook_problems"]

MAX_WEBHOOKS = 100  # per client
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # from Standard Webhooks
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_URL = re.compile(r"[!-~]+")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+(?:; ?[a-z]+=[A-Za-z0-9._-]+)?")


def webhook_problems(
    webhooks: Collection[Webhook],
    feeds: Collection[str],
    services: Mapping[str, int],
    centers: Mapping[str, int],
) -> Iterator[str]:
    """Yield a line for each problem with a client's webhooks, to follow the client's name.

    ``services`` and ``centers`` map the client's declared names to ids.
    """
    if len(webhooks) > MAX_WEBHOOKS:
        yield f": {len(webhooks)} webhooks are declared; a client has at most {MAX_WEBHOOKS}"
    for webhook in webhooks:
        found = [
            *_name_problems(webhook),
            *_url_problems(webhook),
            *_secret_problems(webhook),
            *_feed_problems(webhook, feeds),
            *_filter_problems(webhook.filter, services, centers),
            *_body_problems(webhook),
        ]
        yield from (f", webhook {webhook.name}: {problem}" for problem in found)


def _name_problems(webhook: Webhook) -> Iterator[str]:
    if not _NAME.fullmatch(webhook.name):
        yield (
            "name must have at most 63 lower-case letters, digits, - and _, and start with a letter"
            " or digit"
        )


def _url_problems(webhook: Webhook) -> Iterator[str]:
    try:
        parts = urlsplit(webhook.url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        yield "url must be an address such as https://example.org/hook"
        return
    if not _URL.fullmatch(webhook.url):
        yield "url must consist of ASCII characters without spaces; encode the others with %"
    if parts.username is not None or parts.fragment:
        yield "url must not have a user, a password or a fragment (#)"
    if parts.scheme == "http" and not webhook.allow_private:
        yield "url must start with https://; http:// is for your own network: allow_private = true"


def _secret_problems(webhook: Webhook) -> Iterator[str]:
    for key, secret in (("secret", webhook.secret), ("previous_secret", webhook.previous_secret)):
        if secret is None:
            continue
        try:
            text = secret.removeprefix(SECRET_PREFIX)
            size = len(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if not secret.startswith(SECRET_PREFIX) or not MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES:
            yield (
                f"{key} must be {SECRET_PREFIX} and the base64 of {MIN_SECRET_BYTES} to"
                f" {MAX_SECRET_BYTES} random bytes; floorcast webhook secret creates one"
            )
    if webhook.secret == webhook.previous_secret:
        yield "previous_secret must differ from secret"


def _feed_problems(webhook: Webhook, feeds: Collection[str]) -> Iterator[str]:
    for name in webhook.send:
        if name != "alerts" and name not in feeds:
            yield f"send: the {name} feed is not in the client's feeds; add it to feeds"


def _filter_problems(
    chosen: WebhookFilter, services: Mapping[str, int], centers: Mapping[str, int]
) -> Iterator[str]:
    for key, what, given, known in (
        ("service", "service", chosen.service, services),
        ("callCenter", "call_center", chosen.call_center, centers),
    ):
        for one in given or ():
            if one not in known and one not in known.values():
                yield f"filter.{key}: {one} is not a {what} of this client"


def _body_problems(webhook: Webhook) -> Iterator[str]:
    if not _MEDIA_TYPE.fullmatch(webhook.content_type):
        yield "content_type must be a media type such as application/json"
    elif webhook.template is None:
        if webhook.content_type != "application/json":
            yield "content_type needs a template; CloudEvents have their own content type"
    else:
        try:
            check_template(webhook.template, webhook.content_type, webhook.send)
        except TemplateError as error:
            yield f"template: {error}"
