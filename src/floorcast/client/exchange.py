"""Makes one request, paced by the server's rate limit, and raises refusals. No I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TypeVar

from floorcast.client.api_call import ApiCall
from floorcast.client.error_mapping import to_exception
from floorcast.client.pacing import RateLimitPacer
from floorcast.client.steps import (
    HttpResponse,
    NoConnection,
    NoResponse,
    OpenStream,
    SendRequest,
    Sleep,
    Steps,
)
from floorcast.model.errors import SettingError, Unavailable

__all__ = ["Exchange", "require_header_value"]

T = TypeVar("T")


class Exchange:
    """Sends requests to the server at ``url``, without retries."""

    def __init__(self, url: str, pace: RateLimitPacer) -> None:
        self.url = url
        self._pace = pace

    def request_once(
        self, call: ApiCall[T], step_type: type[SendRequest | OpenStream] = SendRequest
    ) -> Steps[T]:
        """Return the response to a call.

        Raises the server's refusal, or Unavailable if there is no response.
        """
        request = call.request
        delay = self._pace.delay()
        if delay:
            yield Sleep(delay)
        try:
            response: HttpResponse = yield step_type(request)
            self._pace.record(response.headers)
            refused = response.status >= HTTPStatus.MULTIPLE_CHOICES
            if refused and response.status not in call.readable_statuses:
                raise to_exception(request, response)
            return call.read(response)
        except NoConnection as failed:
            raise Unavailable(str(failed), 0) from None
        except NoResponse as broken:
            raise Unavailable(f"{self.url}{request.path}: {broken}", 0) from None


def require_header_value(text: str, what: str) -> str:
    """Return the text. Raises SettingError if it cannot be sent in a header.

    Without this check, every request would fail as if the connection were broken.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise SettingError(f"the {what} is empty or contains invalid characters")
    return text
