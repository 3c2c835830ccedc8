"""Events to a server's intake, batch by batch, until it has them.

A batch that got no answer, or "not now", is sent again: the server recognises what it already
has, so nothing is counted twice however often the connection or the server dies.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import msgspec

from floorcast.client.address import address
from floorcast.connectors.cloud_event import CloudEvent
from floorcast.model.errors import Refusal, Unavailable

__all__ = ["MOST_A_BATCH", "Delivery", "Rejected", "Verdicts"]

MOST_A_BATCH = 1000  # events; the contract allows 10,000 a request, smaller ones wait less
FIRST_PAUSE = 0.25  # seconds; doubled at each failure in a row
LONGEST_PAUSE = 15.0  # seconds, unless the server asks for more
PATIENCE = 3600.0  # seconds of waiting for one batch, then the server is given up
TIMEOUT = httpx.Timeout(60.0, connect=5.0)  # seconds

_encode = msgspec.json.Encoder().encode


class Rejected(msgspec.Struct):
    """One event that the server did not take, by its index in the batch, and why."""

    index: int
    code: int
    message: str
    id: str | None = None


class Verdicts(msgspec.Struct):
    """The server's answer to a batch."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class _Later(NamedTuple):
    why: str
    seconds: float = 0.0  # that the server asks for


class _Problem(msgspec.Struct):
    message: str
    code: int | None = None


class Delivery:
    """A connection to ``POST {url}/ingest/v1/events`` that survives the server's restarts.

    ``waiting`` is told each pause before it is made: its seconds, and why. ``sleep`` and
    ``chance`` (0 to 1) are replaceable for tests. Use it as a context manager. Raises SettingError
    for what cannot be an address, and Refusal for what cannot be a key.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        waiting: Callable[[float, str], None],
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise Refusal("the ingest key is empty, or has characters that no key has")
        self._waiting = waiting
        self._sleep = sleep
        self._chance = chance
        self._http = httpx.Client(timeout=TIMEOUT)
        self._url = f"{address(url)}/ingest/v1/events"
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/x-ndjson",
        }

    def send(self, events: Sequence[CloudEvent]) -> Verdicts:
        """Send one batch, again and again while the server is away or busy; its verdicts.

        Raises Refusal when sending again cannot help (a wrong key), and Unavailable
        when an hour of waiting did not.
        """
        body = b"".join(_encode(event) + b"\n" for event in events)
        pause, waited = FIRST_PAUSE, 0.0
        while True:
            answer = self._post(body)
            if isinstance(answer, Verdicts):
                return answer
            # Jitter: many sources that lost one server must not come back in step.
            seconds = answer.seconds + pause * (1 + self._chance()) / 2
            if waited + seconds > PATIENCE:
                raise Unavailable(f"{self._url}: given up after {waited:.0f} s: {answer.why}")
            self._waiting(seconds, answer.why)
            self._sleep(seconds)
            waited += seconds
            pause = min(pause * 2, LONGEST_PAUSE)

    def _post(self, body: bytes) -> Verdicts | _Later:
        try:
            response = self._http.post(self._url, content=body, headers=self._headers)
        except httpx.RequestError as error:  # an answer that cannot be decoded is no answer
            return _Later(str(error) or type(error).__name__)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            return _Later(_reason(response), _retry_after(response))
        if response.status_code in {httpx.codes.OK, httpx.codes.BAD_REQUEST}:
            # A 400 with verdicts is an answer too: every event of the batch was refused.
            try:
                return msgspec.json.decode(response.content, type=Verdicts)
            except msgspec.DecodeError:
                pass
        raise Refusal(f"{self._url} does not take the events: {_reason(response)}")

    def __enter__(self) -> Self:
        """Keep the connection open until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()


def _reason(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.DecodeError:
        return f"{response.status_code} {response.reason_phrase}"
    code = "" if problem.code is None else f", code {problem.code}"
    return f"{response.status_code}{code}: {problem.message}"


def _retry_after(response: httpx.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 0.0
