"""Webhooks as the site declares them (section 16 of the contract).

Secrets are stored as declared, because signing requires them. Messages, listings and logs show
neither secrets nor URL paths, which often contain secrets, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct, structs

from floorcast.site.body_template import MAX_TEMPLATE_CHARS

__all__ = [
    "SECRET_PREFIX",
    "Webhook",
    "WebhookFeed",
    "WebhookFilter",
    "resolve_names",
    "split_url",
]

SECRET_PREFIX = "whsec_"  # noqa: S105 — the prefix of every secret

WebhookFeed = Literal["alerts", "agent", "interaction"]
_Id = Annotated[int, Meta(ge=0, le=2**53)]
_Text = Annotated[str, Meta(min_length=1, max_length=256)]
_Secret = Annotated[str, Meta(min_length=1, max_length=256)]
_IdsOrNames = Annotated[tuple[_Id | _Text, ...], Meta(min_length=1, max_length=1_000)]


class WebhookFilter(
    Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """Selects events as a feed's filter does. Services and call centers are ids or names.

    ``interaction_type`` applies only to interactions.
    """

    interaction_type: (
        Annotated[tuple[Literal["VOICE", "SMS", "EMAIL"], ...], Meta(min_length=1)] | None
    ) = None
    service: _IdsOrNames | None = None
    call_center: _IdsOrNames | None = None


class Webhook(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One ``[[client.webhook]]``.

    If ``previous_secret`` is set, requests are signed with both secrets. With a ``template``, each
    event is sent in its own request, with a body of ``content_type``.
    """

    name: _Text
    url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    secret: _Secret
    previous_secret: _Secret | None = None
    send: Annotated[tuple[WebhookFeed, ...], Meta(min_length=1, max_length=3)]
    filter: WebhookFilter = WebhookFilter()
    allow_private: bool = False
    template: Annotated[str, Meta(min_length=1, max_length=MAX_TEMPLATE_CHARS)] | None = None
    content_type: _Text = "application/json"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The signing secrets: the current one, then the previous one."""
        return (
            (self.secret,) if self.previous_secret is None else (self.secret, self.previous_secret)
        )

    @property
    def origin(self) -> str:
        """The URL without its path, which is safe to show."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def split_url(webhook: Webhook) -> SplitResult:
    """Return the parts of the webhook's URL, which must have passed the checks."""
    return urlsplit(webhook.url)


def resolve_names(
    webhook: Webhook, services: Mapping[str, int], centers: Mapping[str, int]
) -> Webhook:
    """Return the webhook with the names in its filter replaced by ids."""
    chosen = webhook.filter
    return structs.replace(
        webhook,
        send=tuple(sorted(set(webhook.send))),
        filter=structs.replace(
            chosen,
            service=_ids(chosen.service, services),
            call_center=_ids(chosen.call_center, centers),
        ),
    )


def _ids(chosen: Iterable[int | str] | None, known: Mapping[str, int]) -> tuple[int, ...] | None:
    if chosen is None:
        return None
    return tuple(sorted({known[one] if isinstance(one, str) else one for one in chosen}))
