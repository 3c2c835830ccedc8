"""Telling whether somebody is who they say: API token, then pace, then password."""

from __future__ import annotations

import contextlib
import secrets
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from floorcast.auth.keys import is_api_token
from floorcast.auth.passwords import Passwords
from floorcast.auth.single_flight import SingleFlight
from floorcast.auth.throttle import Throttle
from floorcast.model.errors import BadCredentials, MissingParameter, Unavailable
from floorcast.site.configuration import User
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["Claim", "Credentials", "Proven"]


class Claim(NamedTuple):
    """What somebody says who wants in. ``address`` is where the request came from."""

    client_name: str
    user_name: str
    password: str
    api_token: str | None
    agent: bool
    address: str


class Proven(NamedTuple):
    """Who it was: the client's id, the user, and the digest of the API token."""

    client: int
    user: User
    token: str


class Credentials:
    """The site's logins, with the slowing of those who guess.

    The API token is looked at first: it is long and random, so whoever does not have it is
    turned away at once, can neither keep the password threads busy nor slow anybody's login.
    """

    def __init__(self, site: Site, passwords: Passwords, lockout: Throttle) -> None:
        self._site = site
        self._passwords = passwords
        self._lockout = lockout
        self._verifying: SingleFlight[bool] = SingleFlight()
        self._secret = secrets.token_bytes(32)

    async def prove(self, claim: Claim) -> Proven:
        """Who it is.

        Raises ``MissingParameter``; ``BadCredentials``, which never tells whether it was the
        user or the password; ``RateLimited`` after too many wrong passwords; ``Unavailable``
        when too many log in at once. Takes as long for a user who does not exist.
        """
        token = _complete(claim)
        client = self._site.by_name.get(claim.client_name)
        if client is None or not is_api_token(client, token):
            raise BadCredentials(
                "the API token (LV-Access) is not one of the client that clientName names"
            )
        user = self._site.user(client.id, claim.user_name, agent=claim.agent)
        # the same claim many times at once, as a fleet of workers makes it, is one try
        right = await self._verifying.do(self._mark(claim), partial(self._verify, claim, user))
        if user is None or not right:
            raise BadCredentials("userName or password is wrong")
        return Proven(client.id, user, token)

    async def _verify(self, claim: Claim, user: User | None) -> bool:
        attempt = await self._lockout.attempt(
            claim.client_name, claim.user_name, claim.address, agent=claim.agent
        )
        try:
            password_hash = user.password_hash if user else None
            right = await self._passwords.verify(password_hash, claim.password)
        except BaseException:
            with contextlib.suppress(Unavailable):  # what is not taken back goes down by itself
                await self._lockout.withdrawn(attempt)
            raise
        if right:
            await self._lockout.succeeded(attempt)
        return right

    def _mark(self, claim: Claim) -> bytes:
        whole = repr(claim).encode("utf-8", "backslashreplace")
        return blake2b(whole, key=self._secret).digest()


def _complete(claim: Claim) -> str:
    named = {
        "clientName": claim.client_name,
        "userName": claim.user_name,
        "password": claim.password,
    }
    for name, value in named.items():
        if not value.strip():
            raise MissingParameter(f"{name} is required")
    if not claim.api_token:
        raise BadCredentials(
            "an API token is required: LV-Access: <token>, or Authorization: Bearer <token>"
        )
    return digest(claim.api_token)
