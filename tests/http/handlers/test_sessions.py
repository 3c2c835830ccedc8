"""Sessions over HTTP (section 2 of the contract)."""

from __future__ import annotations

import pytest

from floorcast.site.configuration import ScreenKey
from floorcast.site.digests import digest
from floorcast.site.edits import add_screen_key, revoke_key
from tests.http.fed import call_start
from tests.http.servers import ACME, House, in_house

LOGIN = {"clientName": "ACME", "userName": "sysadmin", "password": "correct horse"}
ACCESS = {"LV-Access": "acme-token-for-tests"}


@pytest.mark.parametrize("path", ["/session/login", "/session/v5.0/login/"])
@pytest.mark.parametrize("access", [ACCESS, {"Authorization": "Bearer acme-token-for-tests"}])
def test_login(path: str, access: dict[str, str]) -> None:
    """A login returns a session, and later logins return the same one.

    Another API token gets another session.
    """

    async def work(house: House) -> None:
        answer = await house.http.post(path, headers=access, json=LOGIN)
        assert answer.status_code == 200
        body = answer.json()
        assert list(body) == ["sessionId", "clientId", "userId", "daysUntilPasswordExpires"]
        assert (body["clientId"], body["userId"]) == (ACME, 9001)
        assert isinstance(body["daysUntilPasswordExpires"], int)
        assert "set-cookie" not in answer.headers
        again = await house.http.post(path, headers=access, json=LOGIN)
        assert again.json() == body
        other = await house.http.post(
            path, headers={"LV-Access": "other-token-for-tests"}, json=LOGIN
        )
        assert other.json()["sessionId"] != body["sessionId"]

    in_house(work)


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
def test_a_login_that_cannot_be(
    headers: dict[str, str], body: object, status: int, code: int
) -> None:
    """The error names missing and invalid members, but does not say which credential is wrong."""

    async def work(house: House) -> None:
        answer = await house.http.post("/session/login", headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert list(answer.json()) == ["code", "message"]
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")

    in_house(work)


def test_missing_members_are_all_named() -> None:
    """One error names all missing members."""

    async def work(house: House) -> None:
        answer = await house.http.post(
            "/session/login", headers=ACCESS, json={"clientName": "ACME"}
        )
        assert "userName, password" in answer.json()["message"]
        answer = await house.http.post("/session/password", headers=ACCESS, json=LOGIN)
        assert (answer.status_code, answer.json()["code"]) == (400, 201)
        assert "newPassword" in answer.json()["message"]

    in_house(work)


def test_validate_and_logout() -> None:
    """The status is 204 while the session is valid and 404 afterwards.

    A session id in the query works, too.
    """

    async def work(house: House) -> None:
        session_id = (await house.login())["LV-Session"]
        by_path, by_query = f"/session/validate/{session_id}", "/session/validate"
        for path in (by_path, by_path + "/", f"/session/v5.0/validate/{session_id}"):
            assert (await house.http.get(path)).status_code == 204
        query = {"sessionId": session_id}
        assert (await house.http.get(by_query, params=query)).status_code == 204
        assert (await house.http.head(by_path)).status_code == 204
        assert (await house.http.delete(f"/session/logout/{session_id}")).status_code == 204
        answers = [
            await house.http.get(by_path),
            await house.http.get(by_query, params=query),
            await house.http.delete(f"/session/logout/{session_id}"),
            await house.http.get("/session/validate/%00"),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (404, 404)
            assert session_id not in answer.text
        answer = await house.http.get(by_query)
        assert (answer.status_code, answer.json()["code"]) == (400, 201)

    in_house(work)


def test_a_changed_password_ends_the_sessions() -> None:
    """After the change, only the new password works."""

    async def work(house: House) -> None:
        session = await house.login()
        body = LOGIN | {"newPassword": "battery staple"}
        answer = await house.http.post("/session/password", headers=ACCESS, json=body)
        assert answer.status_code == 204
        assert answer.content == b""
        path = f"/session/validate/{session['LV-Session']}"
        assert (await house.http.get(path)).status_code == 404
        answer = await house.http.post("/session/login", headers=ACCESS, json=LOGIN)
        assert answer.status_code == 401
        new = LOGIN | {"password": "battery staple"}
        assert (
            await house.http.post("/session/login", headers=ACCESS, json=new)
        ).status_code == 200

    in_house(work)


def test_a_login_may_set_a_cookie() -> None:
    """Scripts cannot read the cookie, other sites cannot send it, and only streams accept it."""

    async def work(house: House) -> None:
        answer = await house.http.post("/session/login?cookie=true", headers=ACCESS, json=LOGIN)
        session_id = answer.json()["sessionId"]
        assert answer.headers["set-cookie"] == (
            f"LV-Session={session_id}; Path=/; HttpOnly; SameSite=Strict"
        )
        answer = await house.http.post(
            "https://test/session/login?cookie=true", headers=ACCESS, json=LOGIN
        )
        assert answer.headers["set-cookie"].endswith("; Secure")
        cookie = {"cookie": f"LV-Session={session_id}"}
        answer = await house.http.post("/realtime/event/feed", headers=cookie)
        assert (answer.status_code, answer.json()["code"]) == (401, 301)
        answer = await house.http.delete(f"/session/logout/{session_id}", headers=cookie)
        assert "Max-Age=0" in answer.headers["set-cookie"]
        answer = await house.http.post("/session/login?cookie=maybe", headers=ACCESS, json=LOGIN)
        assert (answer.status_code, answer.json()["code"]) == (400, 202)

    in_house(work)


KEY = "a-screen-key-for-tests"
BEARER = {"Authorization": f"Bearer {KEY}"}


def test_a_screen_key_is_exchanged_for_a_session_that_only_reads() -> None:
    """The session reads its services' statistics and feeds, but no call data.

    It ends when the key is revoked.
    """

    async def work(house: House) -> None:
        screen = ScreenKey(digest=digest(KEY), services=(38049,))
        assert (await house.http.post("/session/screen", headers=BEARER)).status_code == 401
        await add_screen_key(house.kv, ACME, screen)
        house.server.site.reload()
        answer = await house.http.post("/session/screen?cookie=true", headers=BEARER)
        body = answer.json()
        assert (body["clientId"], body["clientName"]) == (ACME, "ACME")
        assert body["sessionId"] in answer.headers["set-cookie"]
        session = {"LV-Session": body["sessionId"]}

        async def status(path: str, **request: object) -> int:
            reply = await house.http.post(f"/realtime/{path}", headers=session, json=request)
            return reply.status_code

        one, other = ({"service": [{"id": number}]} for number in (38049, 2))
        assert await status("service/stats", filter=one) == 200
        assert await status("service/stats", filter=other) == 400
        assert await status("agentEvent/feed") == await status("campaign/stats") == 200
        call = "/realtime/callData/inCall?session=S&transaction=1"
        assert (await house.http.get(call, headers=session)).status_code == 403
        await revoke_key(house.kv, ACME, screen.digest)
        house.server.site.reload()
        assert await status("service/stats", filter=one) == 401

    in_house(work)


def test_a_screen_reads_the_events_of_its_services_alone() -> None:
    """This applies to feeds and statistics."""

    async def work(house: House) -> None:
        await add_screen_key(house.kv, ACME, ScreenKey(digest=digest(KEY), services=(2,)))
        house.server.site.reload()
        answer = await house.http.post("/session/screen", headers=BEARER)
        session = {"LV-Session": answer.json()["sessionId"]}
        feed = "/realtime/event/feed"
        token = (await house.http.post(feed, headers=session)).json()["token"]
        house.publish([call_start])
        (seen,) = house.publish([call_start], facets=("VOICE", 2, 1700))
        events = await house.http.post(feed, headers=session, json={"token": token})
        assert [event["eventId"] for event in events.json()["events"]] == [seen]

    in_house(work)
