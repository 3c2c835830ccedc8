"""A simulated server, whose feed is a list and which can fail at any point.

It runs the steps of the client's protocol without I/O, so a thousand days with faults take one
second.
"""

from __future__ import annotations

import json
from random import Random
from typing import TypeVar

from httpx_sse import ServerSentEvent

from floorcast.client.client_protocol import ClientProtocol, Credentials
from floorcast.client.steps import (
    CloseStream,
    Exclusive,
    HttpRequest,
    HttpResponse,
    NextMessage,
    NoResponse,
    OpenStream,
    RunBlocking,
    SendRequest,
    SilentConnection,
    Sleep,
    Step,
    Steps,
)
from floorcast.client.timing import Timing
from floorcast.model.errors import FloorcastError

__all__ = ["CREDENTIALS", "NoMoreEvents", "SimulatedServer"]

T = TypeVar("T")
CREDENTIALS = Credentials(client="ACME", user="reports", password="secret", api_token="token")
OK: dict[str, str] = {}
STREAM = {"content-type": "text/event-stream;charset=utf-8"}


class NoMoreEvents(Exception):
    """Raised when a reader has received every event."""


class SimulatedServer:
    """A feed of events numbered from 0, served with faults at random.

    ``fault_rate`` is the probability of each fault. ``streams`` tells whether the server has
    streams, and ``ids`` whether their events have an ``id:``. ``most`` is the number of events per
    page.
    """

    def __init__(
        self,
        chance: Random,
        *,
        fault_rate: float = 0.0,
        streams: bool = True,
        ids: bool = True,
        most: int = 1000,
    ) -> None:
        self._chance = chance
        self.events: list[bytes] = []
        self.requests: list[HttpRequest] = []
        self.protocol = self.new_protocol()
        self.paused = 0.0
        self.fault_rate = fault_rate
        self.silent = False  # streams open and then send nothing
        self.too_old = False  # the tokens have ended
        self._most = most
        self._streams = streams
        self._ids = ids
        self._logins = 0
        self._used: set[str] = set()
        self._at: int | None = None

    def new_protocol(self) -> ClientProtocol:
        """Return a new client of this server that uses the simulated clock."""
        timing = Timing(clock=lambda: self.paused, chance=self._chance.random, patience=1e9)
        self.protocol = ClientProtocol("http://test", CREDENTIALS, None, timing)
        return self.protocol

    def add_events(self, count: int) -> None:
        """Add events."""
        for _ in range(count):
            number = len(self.events)
            one = {"eventId": f"e{number}", "sessionId": str(number), "interactionType": "VOICE"}
            self.events.append(json.dumps(one).encode())

    def run(self, steps: Steps[T]) -> T:
        """Run all steps as a client's shell does. Raises NoMoreEvents after the last event."""
        error: Exception | None = None
        outcome: object = None
        try:
            while True:
                step = steps.send(outcome) if error is None else steps.throw(error)
                error = outcome = None
                try:
                    outcome = self._perform(step)
                except (NoResponse, FloorcastError) as caught:
                    error = caught
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def position(self, token: str) -> int:
        """Return the number of events before a token."""
        return int(token[1:]) + (token[0] == "e") if token else len(self.events)

    def _perform(self, step: Step) -> object:
        match step:
            case SendRequest(request) | OpenStream(request):
                self._maybe_break()
                if request.path != "/session/login":
                    self.requests.append(request)
                answer = self._answer(request, opening=isinstance(step, OpenStream))
                self._maybe_break()
                return answer
            case NextMessage():
                return self._next()
            case Sleep(seconds):
                self.paused += seconds
            case Exclusive(steps):
                return self.run(steps())
            case RunBlocking(what):
                return what()
            case CloseStream():
                self._at = None
        return None

    def _answer(self, request: HttpRequest, *, opening: bool) -> HttpResponse:
        if self._fails():
            status, code = self._chance.choice([(503, 101), (429, 429), (500, 100), (502, None)])
            return self._refusal(status, code)
        if request.path == "/session/login":
            self._logins += 1
            return HttpResponse(200, OK, b'{"sessionId": "session%d"}' % self._logins)
        session = request.headers["lv-session"]
        if session in self._used and self._fails():  # a new session has not ended yet
            return self._refusal(401, 301)
        self._used.add(session)
        if self.too_old:
            return self._refusal(400, 202, 'Time "2021-03-30" is more than 24 hours old.')
        if opening and not self._streams:
            return self._refusal(404, 404)
        members = json.loads(request.content or b"{}") or dict(request.query)
        behind = self.position(members["token"])
        if opening:
            self._at = behind
            return HttpResponse(200, STREAM, b"")
        page = self.events[behind : behind + self._most]
        if not page and members["token"] and not self._more_events_come():
            raise NoMoreEvents
        body = b'{"token": "t%d", "events": [%b]}' % (behind + len(page), b",".join(page))
        return HttpResponse(200, OK, body)

    def _next(self) -> ServerSentEvent | None:
        if self._fails():
            self._at = None
            if self._chance.random() < 0.5:
                return None
            raise self._chance.choice([NoResponse, SilentConnection])("cut")
        if self.silent:
            raise SilentConnection("no word")
        if self._at is None:
            return None
        if self._at == len(self.events) and not self._more_events_come():
            raise NoMoreEvents
        if self._at == len(self.events):
            return ServerSentEvent(id=f"t{self._at}") if self._ids else None
        event = self.events[self._at].decode()
        self._at += 1
        return ServerSentEvent(data=event, id=f"t{self._at}" if self._ids else "")

    def _refusal(self, status: int, code: int | None, message: str = "no") -> HttpResponse:
        body = b"<html>"
        if code is not None:
            body = json.dumps({"code": code, "message": message}).encode()
        return HttpResponse(status, {"retry-after": "1"}, body)

    def _more_events_come(self) -> bool:
        return self._fails()

    def _fails(self) -> bool:
        return self._chance.random() < self.fault_rate

    def _maybe_break(self) -> None:
        if self._fails():
            raise NoResponse("cut")
