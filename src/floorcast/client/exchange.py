"""Makes one request, paced by the server's rate limit, and raises refusals. No I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TypeVar

from floorcast.client.error_mapping import refusal
from floorcast.client.methods import Call
from floorcast.client.pacing import Pace
from floorcast.client.steps import Broken, Open, Pause, Response, Send, Steps
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["Exchange", "fit_for_a_header"]

T = TypeVar("T")


class Exchange:
    """Sends requests to the server at ``url``, without retries."""

    def __init__(self, url: str, pace: Pace) -> None:
        self.url = url
        self._pace = pace

    def once(self, call: Call[T], way: type[Send | Open] = Send) -> Steps[T]:
        """Return the response to a call.

        Raises the server's refusal, or Unavailable if there is no response.
        """
        request = call.request
        slower = self._pace.delay()
        if slower:
            yield Pause(slower)
        try:
            response: Response = yield way(request)
            self._pace.note(response.headers)
            refused = response.status >= HTTPStatus.MULTIPLE_CHOICES
            if refused and response.status not in call.reads:
                raise refusal(request, response)
            return call.read(response)
        except Broken as broken:
            raise Unavailable(f"{self.url}{request.path}: {broken}", 0) from None


def fit_for_a_header(text: str, what: str) -> str:
    """Return the text. Raises SettingError if it cannot be sent in a header.

    Without this check, every request would fail as if the connection were broken.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise SettingError(f"the {what} is empty or contains invalid characters")
    return text
