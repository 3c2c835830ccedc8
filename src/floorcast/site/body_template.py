"""Liquid templates for the bodies of webhook requests.

A template produces the body of one request from one event. It cannot read files or call code.
Limits on its output and its loop iterations also limit its running time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import msgspec

from floorcast.model.errors import FloorcastError

if TYPE_CHECKING:
    from liquid import BoundTemplate, Environment

__all__ = ["EXAMPLES", "MAX_TEMPLATE_CHARS", "TemplateError", "check_template", "is_json", "render"]

MAX_TEMPLATE_CHARS = 16_384
MAX_OUTPUT_BYTES = 262_144
MAX_ITERATIONS = 1_000  # iterations of all loops together


class TemplateError(FloorcastError):
    """A template cannot be parsed or does not produce a valid body. The message says why."""


@cache
def _environment() -> Environment:
    # imported for the first template: most sites have none
    from liquid import Environment, Mode  # noqa: PLC0415 — as above

    class LimitedEnvironment(Environment):
        output_stream_limit = MAX_OUTPUT_BYTES
        loop_iteration_limit = MAX_ITERATIONS
        local_namespace_limit = MAX_OUTPUT_BYTES
        block_nesting_limit = 20
        context_depth_limit = 20

    environment = LimitedEnvironment(tolerance=Mode.STRICT, strict_filters=True)
    environment.add_filter("json", _as_json)
    for name in ("include", "render"):  # these tags load other templates
        environment.tags.pop(name, None)
    return environment


def _as_json(value: object) -> str:
    """Return a value as JSON, for ``{{ value | json }}``. A missing member becomes null."""
    return json.dumps(value, default=lambda _value: None)


def is_json(content_type: str) -> bool:
    """Return whether bodies of this media type must be JSON."""
    kind = content_type.partition(";")[0].strip()
    return kind == "application/json" or kind.endswith("+json")


def render(text: str, content_type: str, event: Mapping[str, object]) -> bytes:
    """Return the body of a request for ``event``, a CloudEvent; empty if the template skips it.

    Raises TemplateError if the template cannot be parsed, exceeds a limit, or produces
    invalid JSON for a JSON media type.
    """
    from liquid.exceptions import LiquidError  # noqa: PLC0415 — as in _environment

    try:
        body = _template(text).render(event=event).strip().encode()
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise TemplateError(_first_line(error)) from error
    if body and is_json(content_type):
        try:
            msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise TemplateError(
                f"the body is not JSON ({error}); write values as {{{{ value | json }}}}"
            ) from error
    return body


def check_template(text: str, content_type: str, sent: Iterable[str]) -> None:
    """Render the template for an example event from each feed in ``sent``.

    Raises TemplateError as ``render`` does.
    """
    for name in sent:
        render(text, content_type, EXAMPLES[name])


@lru_cache(maxsize=256)
def _template(text: str) -> BoundTemplate:
    return _environment().from_string(text)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _example(name: str, /, **data: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": "5a3c8e00-1a2b-11f0-8000-000000000001",
        "source": f"/clients/1/{name}",
        "type": "floorcast.alert" if name == "alerts" else f"floorcast.{name}",
        "time": "2026-01-31T12:00:00.000Z",
        "datacontenttype": "application/json",
        "data": data,
    }


EXAMPLES: Mapping[str, Mapping[str, object]] = {
    # rendering fails on the quotes if a template lacks the json filter
    "agent": _example(
        "agent",
        timestamp=1_770_000_000_000,
        clientId=1,
        agentId=12,
        agentServiceId=10,
        agentTeamId=3,
        agentLoginId='Ann "A" Lee',
        lineNumber='1 "b"',
        eventType="NOT_READY",
        notReadyReasonCode='Lunch "late"',
        phoneNumber='5550100 "1"',
        account='a "1"',
        seqNum=7,
        eventId="5a3c8e00-1a2b-11f0-8000-000000000001",
    ),
    "interaction": _example(
        "interaction",
        eventId="5a3c8e00-1a2b-11f0-8000-000000000001",
        callEventType="CALL_TERMINATION",
        interactionType="VOICE",
        transactionId=1,
        clientId=1,
        serviceId=10,
        callCenterId=20,
        sessionId='s "1"',
        campaignId=30,
        phoneDialed='5550100 "1"',
        account='a "1"',
        agentLoginId='Ann "A" Lee',
        agentId="12",
        end="2026-01-31 12:00:00",
        timestamp="2026-01-31 12:00:00",
        duration=42,
        lvResult='Answered "late"',
    ),
    "alerts": _example(
        "alerts",
        eventId="5a3c8e00-1a2b-11f0-8000-000000000001",
        timestamp=1_770_000_000_000,
        clientId=1,
        alertId="support-long-wait",
        name='Support: "long" wait',
        status="firing",
        figure="longestCallInQueue",
        serviceId=10,
        serviceName='Support "A"',
        callCenterId=20,
        condition="above",
        threshold=120,
        value=130,
        acknowledgedBy=None,
        to=["ops"],
    ),
}
"""An example event from each feed.

Free text contains quotes, so that rendering fails if a template lacks the ``json`` filter.
"""
