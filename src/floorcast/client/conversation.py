"""What a client says to a server to be answered: login, renewal, repetition, pace. No I/O."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct, structs

from floorcast.client.address import address
from floorcast.client.answers import LoggedIn
from floorcast.client.methods import Call, decoded, post
from floorcast.client.pacing import Backoff, Pace
from floorcast.client.refusals import refusal
from floorcast.client.steps import Broken, LogIn, Open, Pause, Request, Response, Send, Steps
from floorcast.model.errors import (
    BadCredentials,
    BadSession,
    NotFound,
    RateLimited,
    Refusal,
    SettingError,
    Unavailable,
)

__all__ = ["Conversation", "Credentials", "Timing", "Waiting"]

T = TypeVar("T")

Waiting = Callable[[float, str], None]
"""Is told every pause for want of an answer before it is made: its seconds, and why."""


def _nobody(_seconds: float, _why: str) -> None:
    """Tell nobody."""


class Credentials(Struct, frozen=True, kw_only=True):
    """Who logs in: the client's name, one of its users, and an API token of the client.

    ``agent``: the user is one of the floor's agents.
    """

    client: str
    user: str
    password: str
    api_token: str
    agent: bool = False

    def __repr__(self) -> str:
        # The default would show the secrets in a traceback.
        return f"Credentials(client={self.client!r}, user={self.user!r})"


class Timing(Struct, frozen=True, kw_only=True):
    """How long to wait, and by what clock.

    ``patience`` is for how many seconds a method waits for a server that is away or busy (a
    feed waits for ever); ``waiting`` is told of every such pause. ``clock`` (seconds) and
    ``chance`` (0 to 1) are replaceable for tests.
    """

    patience: float = 60.0
    waiting: Waiting = _nobody
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


class Conversation:
    """One client's side of a server's API; ``session`` is the one in use."""

    def __init__(
        self, url: str, credentials: Credentials | None, session: str | None, timing: Timing
    ) -> None:
        self.url = address(url)
        self.timing = timing
        self.session = None if session is None else _fit_for_a_header(session, "session")
        if credentials is not None:
            _fit_for_a_header(credentials.api_token, "API token")
        self._credentials = credentials
        self._pace = Pace(timing.clock)

    def exchange(self, call: Call[T], patience: float | None = None) -> Steps[T]:
        """The answer to a call of a method; the request is repeated until it has one.

        Raises the Refusal that the server answers, Unavailable (or RateLimited) when it stayed
        away for longer than ``patience`` (seconds, that of ``timing`` if not given), and
        UnexpectedAnswer.
        """
        return (yield from self._repeated(partial(self._authorized, call, Send), patience))

    def open(self, request: Request, patience: float) -> Steps[None]:
        """Open a stream; raises as ``exchange`` does."""
        call = Call(request, _is_stream)
        yield from self._repeated(partial(self._authorized, call, Open), patience)

    def log_in(self) -> Steps[LoggedIn]:
        """A new session, which is the one in use from then on; raises BadCredentials."""
        return (yield from self._repeated(self.try_login))

    def try_login(self) -> Steps[LoggedIn]:
        """The same, tried once only; raises Unavailable too."""
        try:
            answer = yield from self._once(Call(self._login("/session/login"), _logged_in))
        except BadSession as refused:  # what another server's code for it was taken for
            raise _as_credentials(refused) from None
        self.session = answer.session_id
        return answer

    def change_password(self, new_password: str) -> Steps[None]:
        """Another password for the user; it ends its sessions, the next request logs in anew."""
        request = self._login("/session/password", newPassword=new_password)
        # Not repeated: had the first one arrived, the second would be refused.
        yield from self._once(Call(request, _nothing))
        assert self._credentials is not None  # _login has raised where there are none
        self._credentials = structs.replace(self._credentials, password=new_password)
        self.session = None

    def validate(self) -> Steps[bool]:
        """Whether the session in use lives."""
        if self.session is None:
            return False
        request = Request("GET", f"/session/validate/{quote(self.session, safe='')}")
        try:
            yield from self._repeated(partial(self._once, Call(request, _nothing)))
        except NotFound:
            return False
        return True

    def log_out(self) -> Steps[None]:
        """End the session in use, if there is one."""
        if self.session is None:
            return
        request = Request("DELETE", f"/session/logout/{quote(self.session, safe='')}")
        self.session = None
        try:
            yield from self._repeated(partial(self._once, Call(request, _nothing)))
        except NotFound:
            return

    def _authorized(self, call: Call[T], way: type[Send | Open]) -> Steps[T]:
        """One try with the session in use; if that has ended, another one with a new session."""
        stale: str | None = None
        while True:
            session = self.session
            while session is None or session == stale:
                yield LogIn(stale)
                session = self.session
            request = call.request.with_headers(lv_session=session)
            try:
                return (yield from self._once(call._replace(request=request), way))
            except BadSession:
                if stale is not None or self._credentials is None:
                    raise
                stale = session

    def _repeated(self, once: Callable[[], Steps[T]], patience: float | None = None) -> Steps[T]:
        """What ``once`` comes to when the server is there and has time for it."""
        backoff, waited = Backoff(self.timing.chance), 0.0
        longest = self.timing.patience if patience is None else patience
        while True:
            try:
                return (yield from once())
            except (RateLimited, Unavailable) as error:
                seconds = backoff.pause(error.retry_after)
                if waited + seconds > longest:
                    raise
                self.timing.waiting(seconds, error.message)
            yield Pause(seconds)
            waited += seconds

    def _once(self, call: Call[T], way: type[Send | Open] = Send) -> Steps[T]:
        request = call.request
        slower = self._pace.delay()
        if slower:
            yield Pause(slower)
        try:
            response: Response = yield way(request)
            self._pace.note(response.headers)
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise refusal(request, response)
            return call.read(response)
        except Broken as broken:
            raise Unavailable(f"{self.url}{request.path}: {broken}", 0) from None

    def _login(self, path: str, **more: object) -> Request:
        given = self._credentials
        if given is None:
            raise BadCredentials("no credentials were given to log in with")
        request = post(
            path,
            clientName=given.client,
            userName=given.user,
            password=given.password,
            **({"agent": True} if given.agent else {}),
            **more,
        )
        return request.with_headers(lv_access=given.api_token)


def _logged_in(response: Response) -> LoggedIn:
    return decoded(response, LoggedIn)


def _as_credentials(refused: Refusal) -> BadCredentials:
    error = BadCredentials(refused.message)
    error.status, error.code = refused.status, refused.code
    return error


def _nothing(_response: Response) -> None:
    return None


def _is_stream(response: Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != HTTPStatus.OK or kind != "text/event-stream":
        raise Refusal(f"the server answered with {kind or 'no type'}, not with an event stream")


def _fit_for_a_header(text: str, what: str) -> str:
    """The text; what no header can carry would look like a connection that fails for ever."""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise SettingError(f"the {what} is empty, or has characters that no {what} has")
    return text
