"""A client's communication with the server: logins, new sessions, retries, pacing. No I/O."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct, structs

from floorcast.client.address import check_address
from floorcast.client.answers import LoggedIn
from floorcast.client.api_call import ApiCall, decode, post
from floorcast.client.error_mapping import to_bad_credentials
from floorcast.client.exchange import Exchange, require_header_value
from floorcast.client.pacing import RateLimitPacer
from floorcast.client.steps import (
    Exclusive,
    HttpRequest,
    HttpResponse,
    OpenStream,
    SendRequest,
    Steps,
)
from floorcast.client.timing import SessionNotYetKnown, Timing, with_retries
from floorcast.model.errors import BadCredentials, BadSession, NotFound, Refusal

__all__ = ["ClientProtocol", "Credentials"]

T = TypeVar("T")


class Credentials(Struct, frozen=True, kw_only=True):
    """Login credentials: the client's name, one of its users, and one of its API tokens.

    ``agent`` is true if the user is one of the floor's agents.
    """

    client: str
    user: str
    password: str
    api_token: str
    agent: bool = False

    def __repr__(self) -> str:
        # The default would show the secrets in a traceback.
        return f"Credentials(client={self.client!r}, user={self.user!r})"


class ClientProtocol:
    """The client side of a server's API. ``session`` is the current session, if there is one."""

    def __init__(
        self, url: str, credentials: Credentials | None, session: str | None, timing: Timing
    ) -> None:
        self.url = check_address(url)
        self.timing = timing
        self.session = None if session is None else require_header_value(session, "session")
        if credentials is not None:
            require_header_value(credentials.api_token, "API token")
        self._credentials = credentials
        self._exchange = Exchange(self.url, RateLimitPacer(timing.clock))
        self._logins = 0

    def exchange(self, call: ApiCall[T], patience: float | None = None) -> Steps[T]:
        """Return the response to a method call. The request is retried until there is a response.

        Raises the server's Refusal; Unavailable or RateLimited if the server is unavailable or busy
        for longer than ``patience`` (in seconds; by default, the patience of ``timing``); and
        UnexpectedAnswer.
        """
        return (
            yield from with_retries(
                partial(self._request_authorized, call, SendRequest), self.timing, patience
            )
        )

    def open(self, request: HttpRequest, patience: float) -> Steps[None]:
        """Open a stream. Raises the same errors as ``exchange``."""
        call = ApiCall(request, _require_stream)
        yield from with_retries(
            partial(self._request_authorized, call, OpenStream), self.timing, patience
        )

    def log_in(self) -> Steps[LoggedIn]:
        """Log in, and use the session from then on. Raises BadCredentials."""
        return (yield from with_retries(self.try_login, self.timing))

    def try_login(self) -> Steps[LoggedIn]:
        """Log in like ``log_in``, but try only once. Also raises Unavailable and RateLimited."""
        try:
            answer = yield from self._exchange.request_once(
                ApiCall(self._login("/session/login"), _logged_in)
            )
        except BadSession as refused:  # another server's code means wrong credentials here
            raise to_bad_credentials(refused) from None
        self.session = answer.session_id
        self._logins += 1
        return answer

    def change_password(self, new_password: str) -> Steps[None]:
        """Change the user's password, which ends the user's sessions.

        The next request logs in with the new password.
        """
        request = self._login("/session/password", newPassword=new_password)
        # Not retried: if the first request had arrived, a second one would be refused.
        yield from self._exchange.request_once(ApiCall(request, _ignore_response))
        assert self._credentials is not None  # otherwise _login has raised an error
        self._credentials = structs.replace(self._credentials, password=new_password)
        self.session = None

    def validate(self) -> Steps[bool]:
        """Return whether the current session is still valid."""
        if self.session is None:
            return False
        request = HttpRequest("GET", f"/session/validate/{quote(self.session, safe='')}")
        try:
            yield from with_retries(
                partial(self._exchange.request_once, ApiCall(request, _ignore_response)),
                self.timing,
            )
        except NotFound:
            return False
        return True

    def log_out(self) -> Steps[None]:
        """End the current session, if there is one."""
        if self.session is None:
            return
        request = HttpRequest("DELETE", f"/session/logout/{quote(self.session, safe='')}")
        self.session = None
        try:
            yield from with_retries(
                partial(self._exchange.request_once, ApiCall(request, _ignore_response)),
                self.timing,
            )
        except NotFound:
            return

    def _request_authorized(
        self, call: ApiCall[T], step_type: type[SendRequest | OpenStream]
    ) -> Steps[T]:
        """Try once with the current session. If it has ended, log in and try again.

        A node of a cluster may not yet know a session that another node has opened. Another login
        would then return the same session, or one that is also refused, so the client waits instead
        of logging in after each refusal.
        """
        while self.session is None:
            yield Exclusive(partial(self._log_in_after, self._logins))
        logins = self._logins
        try:
            return (yield from self._with_session(call, step_type))
        except BadSession:
            if self._credentials is None:
                raise
        yield Exclusive(partial(self._log_in_after, logins))
        try:
            return (yield from self._with_session(call, step_type))
        except BadSession as refused:
            raise SessionNotYetKnown(refused) from None

    def _with_session(
        self, call: ApiCall[T], step_type: type[SendRequest | OpenStream]
    ) -> Steps[T]:
        request = call.request.with_headers(lv_session=self.session or "")
        return (yield from self._exchange.request_once(call._replace(request=request), step_type))

    def _log_in_after(self, logins: int) -> Steps[None]:
        """Log in, unless another caller has logged in since ``logins`` was read."""
        if self._logins == logins:
            yield from self.try_login()

    def _login(self, path: str, **more: object) -> HttpRequest:
        given = self._credentials
        if given is None:
            raise BadCredentials("no credentials to log in with")
        request = post(
            path,
            clientName=given.client,
            userName=given.user,
            password=given.password,
            **({"agent": True} if given.agent else {}),
            **more,
        )
        return request.with_headers(lv_access=given.api_token)


def _logged_in(response: HttpResponse) -> LoggedIn:
    return decode(response, LoggedIn)


def _ignore_response(_response: HttpResponse) -> None:
    return None


def _require_stream(response: HttpResponse) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != HTTPStatus.OK or kind != "text/event-stream":
        raise Refusal(f"the response is not an event stream (content type: {kind or 'none'})")
