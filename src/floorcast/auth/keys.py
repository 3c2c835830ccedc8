"""API tokens and ingest keys: reading them from headers, and whose they are."""

from __future__ import annotations

import hmac
import re

from floorcast.model.errors import BadCredentials
from floorcast.site.configuration import Client
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["Keys", "api_token", "bearer", "is_api_token"]

_BEARER = re.compile(r"\s*bearer\s+(\S+)\s*", re.IGNORECASE)


def bearer(authorization: str | None) -> str | None:
    """The credentials of an ``Authorization: Bearer …`` header; None if it is no such."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def api_token(lv_access: str | None, authorization: str | None) -> str | None:
    """The API token of a request: ``LV-Access``, or else the bearer's; None for neither."""
    return (lv_access or "").strip() or bearer(authorization)


def is_api_token(client: Client | None, a_digest: str) -> bool:
    """Whether a token's digest is one of the client's, in a time that does not tell how near."""
    right = False
    for known in client.api_tokens if client else ():
        right |= hmac.compare_digest(known, a_digest)
    return right


class Keys:
    """The ingest keys of the site, as they are at the moment of asking."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def client_of_ingest_key(self, key: str | None) -> int:
        """The client that the key (see ``bearer``) belongs to; raises ``BadCredentials``.

        Keys are looked up by their digests, so that the time it takes tells nothing of a key.
        """
        if not key:
            raise BadCredentials("an ingest key is required: Authorization: Bearer <ingest key>")
        client = self._site.directory.client_of_ingest_key(digest(key))
        if client is None:
            raise BadCredentials("the ingest key is not one of this server's")
        return client
