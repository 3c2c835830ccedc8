"""The handlers for the data of one of today's calls (section 5 of the contract)."""

from __future__ import annotations

from msgspec import Struct

from floorcast.auth.session import Session
from floorcast.floor.view import CallMetadata
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import InvalidParameter, NotFound
from floorcast.model.wording import whole_number

__all__ = ["CallConsumer", "InCall", "PostCall", "in_call", "post_call"]


class CallConsumer(Struct, rename="camel"):
    """The person at the other end of the call."""

    first_name: str | None
    last_name: str | None


class InCall(Struct, rename="camel"):
    """A call in progress."""

    consumer: CallConsumer
    service_id: int | None
    call_center_id: int | None
    account: str | None
    zip_code: str | None
    total_due: float | None
    call_direction_outbound: bool | None
    call_start_time: int | None


class PostCall(Struct, rename="camel"):
    """A call that has ended."""

    service_id: int | None
    call_end_time: int
    lv_result: str | None
    phone_dialed: str | None
    term_code_name: str | None


async def in_call(context: RequestContext) -> Response:
    """Return a call's data while the call is in progress. Raises NotFound once it has ended."""
    call = _find_call(context)
    if call.ended is not None:
        raise NotFound("the call has ended: ask for it at /realtime/callData/postCall")
    consumer = CallConsumer(call.first_name, call.last_name)
    return _answer(
        context,
        InCall(
            consumer=consumer,
            service_id=call.service,
            call_center_id=call.call_center,
            account=call.account,
            zip_code=call.zip_code,
            total_due=call.total_due,
            call_direction_outbound=call.outbound,
            call_start_time=call.started,
        ),
    )


async def post_call(context: RequestContext) -> Response:
    """Return a call's data once the call has ended. Raises NotFound while it is in progress."""
    call = _find_call(context)
    if call.ended is None:
        raise NotFound("the call is still in progress: ask for it at /realtime/callData/inCall")
    return _answer(
        context,
        PostCall(
            service_id=call.service,
            call_end_time=call.ended,
            lv_result=call.lv_result,
            phone_dialed=call.phone,
            term_code_name=call.term_code,
        ),
    )


def _find_call(context: RequestContext) -> CallMetadata:
    """Return the call that the request names. Raises NotFound if the user may not see it."""
    call_session = context.query_parameter("session")
    transaction = _number("transaction", context.query_parameter("transaction"))
    session = context.session
    client_id = context.query.get("client", "").strip()
    client = _number("client", client_id) if client_id else session.client
    is_visible = client in session.visible_clients
    call = (
        context.services.floor_of(client).find_call(transaction, call_session)
        if is_visible
        else None
    )
    if call is None or not _can_see(session, client, call.call_center):
        raise NotFound("there is no such call today")
    return call


def _can_see(session: Session, client: int, call_center: int | None) -> bool:
    call_centers = session.call_centers
    return call_centers is None or (
        call_center is not None and (client, call_center) in call_centers
    )


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InvalidParameter(f"{name} must be {whole_number()}")
    return int(text)


def _answer(context: RequestContext, body: Struct) -> Response:
    # the caller follows the feeds of its own client, even if another client has the call
    services, client = context.services, context.session.client
    # the feed's position, because an entry is folded and published piece by piece
    through = services.floor_of(client).feeds["interaction"].through
    token = services.token_now(client, through)
    return Response.json(body, headers=(("feed-token", token),))
