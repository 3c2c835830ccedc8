"""Verifies a login: first its API token, then the rate of attempts, then its password."""

from __future__ import annotations

import contextlib
import secrets
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from floorcast.auth.keys import KeyThrottle, is_api_token
from floorcast.auth.networks import network_of
from floorcast.auth.passwords import Passwords
from floorcast.auth.single_flight import SingleFlight
from floorcast.auth.throttle import Throttle
from floorcast.model.errors import (
    WRONG_CLIENT,
    WRONG_LOGIN,
    BadCredentials,
    MissingParameter,
    Unavailable,
)
from floorcast.site.configuration import SiteClient, User
from floorcast.site.digests import digest
from floorcast.site.live_site import Site

__all__ = ["LoginCredentials", "LoginVerifier", "VerifiedLogin"]


class LoginCredentials(NamedTuple):
    """The credentials of a login. ``address`` is the address of the request."""

    client_name: str
    user_name: str
    password: str
    api_token: str | None
    agent: bool
    address: str


class VerifiedLogin(NamedTuple):
    """A verified login: the client's id, the user, and the digest of the API token."""

    client: int
    user: User
    token: str


class LoginVerifier:
    """Verifies logins and throttles wrong ones.

    The API token is checked first. It is long and random, so a caller without a token is rejected
    immediately, and can neither occupy the password threads nor delay other logins.
    """

    def __init__(
        self, site: Site, passwords: Passwords, throttle: Throttle, key_throttle: KeyThrottle
    ) -> None:
        self._site = site
        self._passwords = passwords
        self._throttle = throttle
        self._key_throttle = key_throttle
        self._verifications: SingleFlight[bool] = SingleFlight()
        self._secret = secrets.token_bytes(32)

    async def verify_login(self, login: LoginCredentials) -> VerifiedLogin:
        """Return the client and the user of a login.

        Raises ``MissingParameter``; ``BadCredentials``, which does not reveal whether the user or
        the password is wrong; ``RateLimited`` after too many wrong passwords or API tokens; and
        ``Unavailable`` if there are too many logins at once. A login with an unknown user takes as
        long as one with a wrong password.
        """
        token = _require_complete(login)
        self._key_throttle.check(login.address, token)
        client = self._site.find_client(login.client_name)
        if client is None or not is_api_token(client, token):
            self._key_throttle.record_wrong(login.address, token)
            raise BadCredentials(WRONG_CLIENT)
        self._key_throttle.record_valid(login.address, token)
        user = self._site.user(client.id, login.user_name, agent=login.agent)
        # many workers may send the same credentials at once; this counts as one attempt
        verify = partial(self._verify_password, login, client, user)
        is_valid = await self._verifications.do(self._fingerprint(login), verify)
        if user is None or not is_valid:
            raise BadCredentials(WRONG_LOGIN)
        return VerifiedLogin(client.id, user, token)

    async def _verify_password(
        self, login: LoginCredentials, client: SiteClient, user: User | None
    ) -> bool:
        attempt = await self._throttle.attempt(
            client.name, login.user_name, login.address, agent=login.agent
        )
        try:
            password_hash = user.password_hash if user else None
            queue = client.id, network_of(login.address)
            is_valid = await self._passwords.verify(password_hash, login.password, queue)
        except BaseException:
            with contextlib.suppress(Unavailable):  # the count also decreases by itself
                await self._throttle.withdraw(attempt)
            raise
        if is_valid:
            await self._throttle.record_success(attempt)
        return is_valid

    def _fingerprint(self, login: LoginCredentials) -> bytes:
        whole = repr(login).encode("utf-8", "backslashreplace")
        return blake2b(whole, key=self._secret).digest()


def _require_complete(login: LoginCredentials) -> str:
    named = {
        "clientName": login.client_name,
        "userName": login.user_name,
        "password": login.password,
    }
    for name, value in named.items():
        if not value.strip():
            raise MissingParameter(f"{name} is required")
    if not login.api_token:
        raise BadCredentials(
            "an API token is required: LV-Access: <token>, or Authorization: Bearer <token>"
        )
    return digest(login.api_token)
