"""Tests of sessions over HTTP (section 2 of the contract)."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from floorcast.site.configuration import ScreenKey
from floorcast.site.digests import digest
from floorcast.site.edits import add_screen_key, revoke_key
from tests.http.feed_events import call_start
from tests.http.servers import ACME, ApiHarness, run_with_harness

LOGIN = {"clientName": "ACME", "userName": "sysadmin", "password": "correct horse"}
ACCESS = {"LV-Access": "acme-token-for-tests"}


@pytest.mark.parametrize("path", ["/session/login", "/session/v5.0/login/"])
@pytest.mark.parametrize("access", [ACCESS, {"Authorization": "Bearer acme-token-for-tests"}])
def test_a_login_returns_a_session(path: str, access: dict[str, str]) -> None:
    """A login returns a session, and later logins return the same one.

    Another API token gets another session.
    """

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post(path, headers=access, json=LOGIN)
        assert answer.status_code == 200
        body = answer.json()
        assert list(body) == ["sessionId", "clientId", "userId", "daysUntilPasswordExpires"]
        assert (body["clientId"], body["userId"]) == (ACME, 9001)
        assert isinstance(body["daysUntilPasswordExpires"], int)
        assert "set-cookie" not in answer.headers
        again = await harness.http.post(path, headers=access, json=LOGIN)
        assert again.json() == body
        other = await harness.http.post(
            path, headers={"LV-Access": "other-token-for-tests"}, json=LOGIN
        )
        assert other.json()["sessionId"] != body["sessionId"]

    run_with_harness(work)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, LOGIN, 401, 300),
        ({"LV-Access": "child-token-for-tests"}, LOGIN, 401, 300),
        ({"Authorization": "Basic acme-token-for-tests"}, LOGIN, 401, 300),
        (ACCESS, LOGIN | {"password": "wrong"}, 401, 300),
        (ACCESS, LOGIN | {"userName": "nobody"}, 401, 300),
        (ACCESS, LOGIN | {"clientName": "NOBODY"}, 401, 300),
        (ACCESS, LOGIN | {"agent": True}, 401, 300),
        (ACCESS, LOGIN | {"password": "\0" * 10}, 401, 300),
        (ACCESS, LOGIN | {"clientName": 5}, 400, 202),
        (ACCESS, LOGIN | {"agent": "yes"}, 400, 202),
        (ACCESS, {}, 400, 201),
        (ACCESS, LOGIN | {"password": None}, 400, 201),
        (ACCESS, LOGIN | {"userName": ""}, 400, 201),
        (ACCESS, [], 400, 203),
    ],
)
def test_invalid_logins_are_refused(
    headers: dict[str, str], body: object, status: int, code: int
) -> None:
    """The error names missing and invalid members, but does not say which credential is wrong."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post("/session/login", headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert list(answer.json()) == ["code", "message"]
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")

    run_with_harness(work)


def test_missing_members_are_all_named() -> None:
    """One error names all missing members."""

    async def work(harness: ApiHarness) -> None:
        for given, names in (
            ({}, "clientName, userName and password"),
            ({"clientName": "ACME"}, "userName and password"),
            ({"clientName": "ACME", "userName": "sysadmin"}, "password"),
        ):
            answer = await harness.http.post("/session/login", headers=ACCESS, json=given)
            assert answer.json()["message"] == f"the body must have {names}"
        answer = await harness.http.post("/session/password", headers=ACCESS, json=LOGIN)
        assert (answer.status_code, answer.json()["code"]) == (400, 201)
        assert "newPassword" in answer.json()["message"]

    run_with_harness(work)


def test_a_session_can_be_validated_and_ended() -> None:
    """The status is 204 while the session is valid and 404 afterwards.

    A session id in the query works, too.
    """

    async def work(harness: ApiHarness) -> None:
        session_id = (await harness.login())["LV-Session"]
        by_path, by_query = f"/session/validate/{session_id}", "/session/validate"
        for path in (by_path, by_path + "/", f"/session/v5.0/validate/{session_id}"):
            assert (await harness.http.get(path)).status_code == 204
        query = {"sessionId": session_id}
        assert (await harness.http.get(by_query, params=query)).status_code == 204
        assert (await harness.http.head(by_path)).status_code == 204
        ended = await harness.http.delete(f"/session/logout/{session_id}")
        assert ended.status_code == 204
        assert "set-cookie" not in ended.headers
        answers = [
            await harness.http.get(by_path),
            await harness.http.get(by_query, params=query),
            await harness.http.delete(f"/session/logout/{session_id}"),
            await harness.http.get("/session/validate/%00"),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (404, 404)
            assert session_id not in answer.text
        answer = await harness.http.get(by_query)
        assert (answer.status_code, answer.json()["code"]) == (400, 201)

    run_with_harness(work)


def test_a_changed_password_ends_the_sessions() -> None:
    """After the change, only the new password works."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        body = LOGIN | {"newPassword": "battery staple"}
        answer = await harness.http.post("/session/password", headers=ACCESS, json=body)
        assert answer.status_code == 204
        assert answer.content == b""
        path = f"/session/validate/{session['LV-Session']}"
        assert (await harness.http.get(path)).status_code == 404
        answer = await harness.http.post("/session/login", headers=ACCESS, json=LOGIN)
        assert answer.status_code == 401
        new = LOGIN | {"password": "battery staple"}
        assert (
            await harness.http.post("/session/login", headers=ACCESS, json=new)
        ).status_code == 200

    run_with_harness(work)


def test_a_login_can_set_a_cookie() -> None:
    """Scripts cannot read the cookie, other sites cannot send it, and only streams accept it."""

    async def work(harness: ApiHarness) -> None:
        answer = await harness.http.post("/session/login?cookie=true", headers=ACCESS, json=LOGIN)
        session_id = answer.json()["sessionId"]
        assert answer.headers["set-cookie"] == (
            f"LV-Session={session_id}; Path=/; HttpOnly; SameSite=Strict"
        )
        answer = await harness.http.post(
            "https://test/session/login?cookie=true", headers=ACCESS, json=LOGIN
        )
        assert answer.headers["set-cookie"].endswith("; Secure")
        cookie = {"cookie": f"LV-Session={session_id}"}
        answer = await harness.http.post("/realtime/event/feed", headers=cookie)
        assert (answer.status_code, answer.json()["code"]) == (401, 301)
        answer = await harness.http.delete(f"/session/logout/{session_id}", headers=cookie)
        assert "Max-Age=0" in answer.headers["set-cookie"]
        answer = await harness.http.post("/session/login?cookie=maybe", headers=ACCESS, json=LOGIN)
        assert (answer.status_code, answer.json()["code"]) == (400, 202)

    run_with_harness(work)


KEY = "a-screen-key-for-tests"
BEARER = {"Authorization": f"Bearer {KEY}"}


def test_a_screen_key_is_exchanged_for_a_read_only_session() -> None:
    """The session reads its services' statistics and feeds, but no call data.

    It ends when the key is revoked.
    """

    async def work(harness: ApiHarness) -> None:
        screen = ScreenKey(digest=digest(KEY), services=(38049,))
        assert (await harness.http.post("/session/screen", headers=BEARER)).status_code == 401
        await add_screen_key(harness.kv, ACME, screen)
        harness.server.site.reload()
        answer = await harness.http.post("/session/screen?cookie=true", headers=BEARER)
        body = answer.json()
        assert (body["clientId"], body["clientName"]) == (ACME, "ACME")
        assert body["sessionId"] in answer.headers["set-cookie"]
        session = {"LV-Session": body["sessionId"]}

        async def status(path: str, **request: object) -> int:
            reply = await harness.http.post(f"/realtime/{path}", headers=session, json=request)
            return reply.status_code

        one, other = ({"service": [{"id": number}]} for number in (38049, 2))
        assert await status("service/stats", filter=one) == 200
        assert await status("service/stats", filter=other) == 400
        assert await status("agentEvent/feed") == await status("campaign/stats") == 200
        call = "/realtime/callData/inCall?session=S&transaction=1"
        assert (await harness.http.get(call, headers=session)).status_code == 403
        await revoke_key(harness.kv, ACME, screen.digest)
        harness.server.site.reload()
        assert await status("service/stats", filter=one) == 401

    run_with_harness(work)


def test_a_screen_is_logged_without_a_user() -> None:
    """Only people have a user's id. The client is logged."""

    async def work(harness: ApiHarness) -> None:
        await add_screen_key(harness.kv, ACME, ScreenKey(digest=digest(KEY)))
        harness.server.site.reload()
        with capture_logs() as logs:
            answer = await harness.http.post("/session/screen", headers=BEARER)
            session = {"LV-Session": answer.json()["sessionId"]}
            await harness.http.post("/realtime/event/feed", headers=session)
        lines = [line for line in logs if line["event"] == "request"]
        assert [(line["client"], line["user"]) for line in lines] == [(ACME, None)] * 2

    run_with_harness(work)


def test_a_screen_reads_only_the_events_of_its_services() -> None:
    """This applies to feeds and statistics."""

    async def work(harness: ApiHarness) -> None:
        await add_screen_key(harness.kv, ACME, ScreenKey(digest=digest(KEY), services=(2,)))
        harness.server.site.reload()
        answer = await harness.http.post("/session/screen", headers=BEARER)
        session = {"LV-Session": answer.json()["sessionId"]}
        feed = "/realtime/event/feed"
        token = (await harness.http.post(feed, headers=session)).json()["token"]
        harness.publish([call_start])
        (seen,) = harness.publish([call_start], facets=("VOICE", 2, 1700))
        events = await harness.http.post(feed, headers=session, json={"token": token})
        assert [event["eventId"] for event in events.json()["events"]] == [seen]

    run_with_harness(work)
