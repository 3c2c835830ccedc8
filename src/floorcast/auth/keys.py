"""API tokens and ingest keys: reading them from headers, and finding their client."""

from __future__ import annotations

import hmac
import re

from floorcast.auth.key_guesses import KeyGuesses
from floorcast.model.errors import BadCredentials
from floorcast.site.configuration import Client
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["Keys", "api_token", "bearer", "is_api_token"]

_BEARER = re.compile(r"\s*bearer\s+(\S+)\s*", re.IGNORECASE)


def bearer(authorization: str | None) -> str | None:
    """The credentials of an ``Authorization: Bearer …`` header; None for any other header."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def api_token(lv_access: str | None, authorization: str | None) -> str | None:
    """The API token of a request, from ``LV-Access`` or else the bearer; None for neither."""
    return (lv_access or "").strip() or bearer(authorization)


def is_api_token(client: Client | None, a_digest: str) -> bool:
    """Whether a token's digest is one of the client's; the time taken tells nothing of them."""
    right = False
    for known in client.api_tokens if client else ():
        right |= hmac.compare_digest(known, a_digest)
    return right


class Keys:
    """The ingest keys of the site, as they are at the moment of asking."""

    def __init__(self, site: Site, guesses: KeyGuesses) -> None:
        self._site = site
        self._guesses = guesses

    def client_of_ingest_key(self, key: str | None, address: str = "") -> int:
        """The client that the key (see ``bearer``) belongs to.

        Raises ``BadCredentials``, ``RateLimited`` after too many wrong keys from ``address``,
        and Unavailable while a cluster cannot say which keys were revoked. Keys are looked up by
        their digests, so the time taken tells nothing of them.
        """
        if not key:
            raise BadCredentials("an ingest key is required: Authorization: Bearer <ingest key>")
        self._site.check_current()
        key_digest = digest(key)
        self._guesses.check(address, key_digest)
        client = self._site.directory.client_of_ingest_key(key_digest)
        if client is None:
            self._guesses.was_wrong(address, key_digest)
            raise BadCredentials("the ingest key is not one of this server's")
        self._guesses.was_right(address, key_digest)
        return client
