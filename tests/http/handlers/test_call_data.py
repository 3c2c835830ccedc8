"""Tests of call data over HTTP (section 5 of the contract)."""

from __future__ import annotations

from floorcast.floor.call_metadata import CallMetadata
from floorcast.model import token as tokens
from floorcast.model.token import end_of_entry
from tests.http.feed_events import call_start
from tests.http.servers import ACME, CHILD, STRANGER, ApiHarness, run_with_harness

IN_CALL, POST_CALL = "/realtime/callData/inCall", "/realtime/callData/postCall"
KEY = {"session": "S@1", "transaction": "7"}


def call(ended: int | None = None, call_center: int | None = 1623) -> CallMetadata:
    """Return a call with few known members."""
    return CallMetadata(
        service=38049,
        call_center=call_center,
        account=None,
        total_due=None,
        outbound=False,
        started=1000,
        ended=ended,
        zip_code=None,
        first_name=None,
        last_name=None,
        lv_result=None,
        phone=None,
        term_code=None,
    )


def test_a_call_is_found_only_in_its_phase() -> None:
    """The 404 names the method for the other phase. Every key is present, and null if unknown."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        calls = harness.floors[ACME].calls
        harness.publish([call_start])
        for ended, here, there, hint in (
            (None, IN_CALL, POST_CALL, "in progress"),
            (2000, POST_CALL, IN_CALL, "has ended"),
        ):
            calls[7, "S@1"] = call(ended)
            answer = await harness.http.get(here, params=KEY, headers=session)
            assert answer.status_code == 200
            assert None in answer.json().values()
            token = tokens.decode(ACME, answer.headers["feed-token"])
            assert token == (harness.loop.now(), end_of_entry(1))
            answer = await harness.http.get(there, params=KEY, headers=session)
            assert (answer.status_code, answer.json()["code"]) == (404, 404)
            assert hint in answer.json()["message"]

    run_with_harness(work)


def test_parameters_are_checked() -> None:
    """A missing parameter is 201, a malformed one 202, and an unknown call 404."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        for params, code, named in (
            ({}, 201, "session=…"),
            ({"session": "x"}, 201, "transaction=…"),
            ({"session": " ", "transaction": "1"}, 201, "session=…"),
            (KEY | {"transaction": "x"}, 202, "transaction"),
            (KEY | {"transaction": "-1"}, 202, "transaction"),
            (KEY | {"transaction": "9" * 20}, 202, "transaction"),
            (KEY | {"client": "ACME"}, 202, "client"),
            (KEY, 404, "no such call"),
        ):
            answer = await harness.http.get(IN_CALL, params=params, headers=session)
            assert answer.json()["code"] == code, params
            assert named in answer.json()["message"]

    run_with_harness(work)


def test_calls_that_a_user_may_not_see_are_not_found() -> None:
    """A parent sees its children's calls, but a child does not see its parent's.

    Other call centers are hidden.
    """

    async def work(harness: ApiHarness) -> None:
        for client in (ACME, CHILD, STRANGER):
            harness.floors[client].calls[7, "S@1"] = call()
        parent, child = await harness.login(), await harness.login(client="CHILD")
        limited = await harness.login("limited")
        for session, client, status in (
            (parent, 0, 200),
            (parent, ACME, 200),
            (parent, CHILD, 200),
            (parent, STRANGER, 404),
            (parent, 999, 404),
            (child, 0, 200),
            (child, ACME, 404),
            (limited, 0, 200),
        ):
            params = KEY | ({"client": str(client)} if client else {})
            answer = await harness.http.get(IN_CALL, params=params, headers=session)
            assert answer.status_code == status
        harness.floors[ACME].calls[7, "S@1"] = call(call_center=1700)
        answer = await harness.http.get(IN_CALL, params=KEY, headers=limited)
        assert answer.status_code == 404

    run_with_harness(work)
