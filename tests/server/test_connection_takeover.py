"""An answer for somebody who has just gone; ``tests/real`` has connections at work."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.server.connection_takeover import ConnectionTakeover
from floorcast.server.uvicorn_internals import to_who_is_there


class Transport:
    """A connection's transport, closed or not."""

    def __init__(self, *, closing: bool) -> None:
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing


class Held:
    """A connection that can be written to, or was reset a moment ago."""

    def __init__(self, *, closing: bool) -> None:
        self.transport = cast("asyncio.Transport", Transport(closing=closing))

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        raise AssertionError((headers, stream))


async def answers(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start"})


async def refused(_message: Message) -> None:
    raise RuntimeError("unable to perform operation, the handler is closed")


async def nothing() -> Message:
    return {"type": "http.disconnect"}


def answered_by(takeover: object) -> None:
    scope = {"type": "http", "extensions": {TAKE_OVER: takeover}}

    async def answer() -> None:
        await to_who_is_there(answers)(scope, nothing, refused)

    asyncio.run(answer())


def test_an_answer_to_who_has_gone_comes_to_nothing() -> None:
    """Whether the connection has told of its end yet or not."""
    answered_by(ConnectionTakeover(Held(closing=True)))
    shut = ConnectionTakeover(Held(closing=False))
    shut.shut()
    answered_by(shut)


@pytest.mark.parametrize("takeover", [ConnectionTakeover(Held(closing=False)), None])
def test_an_answer_that_cannot_be_sent_to_who_is_there_is_a_fault(
    takeover: ConnectionTakeover | None,
) -> None:
    """It is not kept quiet."""
    with pytest.raises(RuntimeError, match="unable"):
        answered_by(takeover)


def test_who_waits_for_a_caller_to_go_hears_of_it_once() -> None:
    """When it goes, or at once if it has gone; a wait that was given up is left alone."""

    async def work() -> None:
        takeover = ConnectionTakeover(Held(closing=False))
        given_up = takeover.until_gone()
        given_up.cancel()
        waiting = takeover.until_gone()
        assert not waiting.done()
        takeover.shut()
        assert waiting.done()
        assert takeover.until_gone().done()
        takeover.shut()

    asyncio.run(work())
