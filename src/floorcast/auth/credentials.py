"""Verifies a login: first its API token, then the rate of attempts, then its password."""

from __future__ import annotations

import contextlib
import secrets
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from floorcast.auth.keys import KeyGuesses, is_api_token
from floorcast.auth.networks import network_of
from floorcast.auth.passwords import Passwords
from floorcast.auth.single_flight import SingleFlight
from floorcast.auth.throttle import Throttle
from floorcast.model.errors import BadCredentials, MissingParameter, Unavailable
from floorcast.site.configuration import Client, User
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["Claim", "LoginVerifier", "Proven"]


class Claim(NamedTuple):
    """The credentials of a login. ``address`` is the address of the request."""

    client_name: str
    user_name: str
    password: str
    api_token: str | None
    agent: bool
    address: str


class Proven(NamedTuple):
    """A proven login: the client's id, the user, and the digest of the API token."""

    client: int
    user: User
    token: str


class LoginVerifier:
    """Verifies logins and throttles wrong ones.

    The API token is checked first. It is long and random, so a caller without a token is rejected
    immediately, and can neither occupy the password threads nor delay other logins.
    """

    def __init__(
        self, site: Site, passwords: Passwords, throttle: Throttle, guesses: KeyGuesses
    ) -> None:
        self._site = site
        self._passwords = passwords
        self._throttle = throttle
        self._guesses = guesses
        self._verifying: SingleFlight[bool] = SingleFlight()
        self._secret = secrets.token_bytes(32)

    async def prove(self, claim: Claim) -> Proven:
        """Return the client and the user of a login.

        Raises ``MissingParameter``; ``BadCredentials``, which does not reveal whether the user or
        the password is wrong; ``RateLimited`` after too many wrong passwords or API tokens; and
        ``Unavailable`` if there are too many logins at once. A login with an unknown user takes as
        long as one with a wrong password.
        """
        token = _complete(claim)
        self._guesses.check(claim.address, token)
        client = self._site.find_client(claim.client_name)
        if client is None or not is_api_token(client, token):
            self._guesses.was_wrong(claim.address, token)
            raise BadCredentials(
                "the API token (LV-Access) does not belong to the client in clientName"
            )
        self._guesses.was_right(claim.address, token)
        user = self._site.user(client.id, claim.user_name, agent=claim.agent)
        # many workers may send the same credentials at once; this counts as one attempt
        verify = partial(self._verify, claim, client, user)
        right = await self._verifying.do(self._fingerprint(claim), verify)
        if user is None or not right:
            raise BadCredentials("userName or password is wrong")
        return Proven(client.id, user, token)

    async def _verify(self, claim: Claim, client: Client, user: User | None) -> bool:
        attempt = await self._throttle.attempt(
            client.name, claim.user_name, claim.address, agent=claim.agent
        )
        try:
            password_hash = user.password_hash if user else None
            queue = client.id, network_of(claim.address)
            right = await self._passwords.verify(password_hash, claim.password, queue)
        except BaseException:
            with contextlib.suppress(Unavailable):  # the count also decreases by itself
                await self._throttle.withdrawn(attempt)
            raise
        if right:
            await self._throttle.succeeded(attempt)
        return right

    def _fingerprint(self, claim: Claim) -> bytes:
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
