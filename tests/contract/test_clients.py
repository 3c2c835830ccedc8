"""The contract that the client for event loops and the client for threads must fulfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from floorcast.client import Credentials, Filter, TokenFile
from floorcast.model import errors
from tests.client.reference import AGENTS, EVENTS, Reference, refusal
from tests.client.shells import AsyncShell, BlockingShell, Received, Shell
from tests.client.simulated_server import CREDENTIALS as WHO

Make = Callable[..., Shell]


@pytest.fixture(params=[BlockingShell, AsyncShell])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Yield a function that creates clients of a server. The fixture closes them at the end."""
    made: list[Shell] = []

    def make_one(
        server: Reference, who: Credentials | None = WHO, session: str | None = None
    ) -> Shell:
        made.append(request.param(server, who, session))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def numbers(received: Received) -> list[int]:
    """Return the numbers of the reference server's interactions."""
    return [int(json.partition(b'"eventId": "')[2][:8], 16) for json, _ in received]


START = "00000000-a4d9-11eb-8080-808080808080"


@pytest.mark.parametrize("cut", [False, True])
def test_a_stream_resumes_after_the_last_event_id(make: Make, cut: bool) -> None:
    """A reader gets every event once, although streams without ``id:`` lines end or break."""
    server = Reference(events=20, cut=cut)
    client = make(server)
    feed = client.ask("interaction_events", START)
    assert numbers(client.take(feed, 20)) == list(range(20))
    assert {path for _, path, _, _ in server.method_requests()} == {EVENTS, EVENTS + "/sse"}


def test_every_events_token_resumes_after_the_event(make: Make) -> None:
    """The token of any event in a page or a stream resumes the feed after that event."""
    client = make(Reference(events=8))
    for feed in ("interaction_events", "agent_events"):
        received = client.take(client.ask(feed, START), 8)
        for index, (_, token) in enumerate(received[:-1]):
            rest = client.take(client.ask(feed, token), 7 - index)
            assert [json for json, _ in rest] == [json for json, _ in received[index + 1 :]]


def test_agent_events_fall_back_to_long_polls_without_a_stream(make: Make) -> None:
    """If the server has no stream of agent events, the client requests it only once."""
    server = Reference(events=9)
    client = make(server)
    assert len(client.take(client.ask("agent_events", START), 9)) == 9
    paths = [path for _, path, _, _ in server.method_requests()]
    assert paths == [AGENTS, AGENTS + "/sse", AGENTS, AGENTS]


def test_an_expired_session_is_renewed_and_the_request_repeated(make: Make) -> None:
    """The client logs in again and repeats the request, without an error for the caller."""
    server = Reference()
    client = make(server)
    client.ask("agent_event_feed")
    server.end_sessions()
    assert client.ask("agent_event_feed").events == []
    assert server.logins == 2
    assert client.paused == []


@pytest.mark.parametrize("same_session", [True, False])
def test_a_session_unknown_to_a_lagging_node_is_retried(make: Make, same_session: bool) -> None:
    """The client retries once at once, and then after pauses that become longer.

    A lagging node therefore causes few logins, whether or not they return the same session.
    """
    server = Reference(same_session=same_session)
    client = make(server)
    client.ask("agent_event_feed")
    server.plan += [refusal(401, 301)] * 8
    assert client.ask("agent_event_feed").events == []
    assert client.paused == [0.125, 0.25, 0.5, 1.0]
    assert server.logins == 5


def test_a_permanently_refused_session_raises_an_error(make: Make) -> None:
    """The exception has the server's message and is raised after the maximum wait."""
    server = Reference()
    client = make(server)
    server.plan += [refusal(401, 301, "not here")] * 1000
    with pytest.raises(errors.BadSession, match="not here") as caught:
        client.ask("agent_event_feed")
    assert (caught.value.status, caught.value.code) == (401, 301)
    assert 30 < sum(client.paused) <= 60
    assert server.logins < 20


def test_concurrent_requests_share_one_login(make: Make) -> None:
    """Concurrent requests cause one login at first, and one more when the session expires."""
    server = Reference()
    client = make(server)
    for logins in (1, 2):
        assert len(client.ask_at_once("agent_event_feed", 8)) == 8
        assert server.logins == logins
        server.end_sessions()


def test_a_given_session_is_used_and_cannot_be_renewed(make: Make) -> None:
    """A client without credentials cannot log in, and the error says so."""
    server = Reference()
    session = make(server).ask("log_in").session_id
    client = make(server, None, session)
    assert client.ask("agent_event_feed").events == []
    server.end_sessions()
    with pytest.raises(errors.BadSession):
        client.ask("agent_event_feed")
    with pytest.raises(errors.BadCredentials, match="no credentials to log in"):
        make(server, None).ask("agent_event_feed")


def test_an_unreachable_or_busy_server_is_retried(make: Make) -> None:
    """The client retries after growing pauses, or after ``Retry-After`` plus a random part."""
    server = Reference()
    client = make(server)
    server.plan += [
        refusal(503, 101, retry_after="2"),
        refusal(429, 429, retry_after="3"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout(""),
        httpx.Response(200, content=b"<h1>Back soon</h1>"),
    ]
    assert client.ask("agent_event_feed").events == []
    assert client.paused == [2.125, 3.25, 0.5, 1.0, 2.0]


def test_giving_up_raises_the_servers_last_error(make: Make) -> None:
    """A method gives up after a minute, and the exception has the server's last message."""
    server = Reference()
    client = make(server)
    server.plan += [refusal(503, 101, "the log cannot be written", retry_after="25")] * 4
    with pytest.raises(errors.Unavailable, match="the log cannot be written") as caught:
        client.ask("service_statistics")
    assert (caught.value.status, caught.value.retry_after) == (503, 25)
    assert len(client.paused) == 2
    server.plan.clear()
    server.plan += [httpx.ConnectError("refused")] * 99
    with pytest.raises(errors.Unavailable, match=r"reference\.test: refused"):
        client.ask("service_statistics")


def test_requests_slow_down_near_the_rate_limit(make: Make) -> None:
    """The last requests of a rate limit window are spread over the rest of the window."""
    server = Reference()
    client = make(server)
    client.ask("log_in")
    fields = {"ratelimit-policy": '"session";q=100;w=60', "ratelimit": '"session";r=4;t=30'}
    server.plan.append(httpx.Response(200, json={"stats": []}, headers=fields))
    client.ask("service_statistics")
    assert client.paused == []
    client.ask("agent_event_feed")
    assert client.paused == [6.0]


def test_a_refusal_raises_an_error_with_status_code_and_message(make: Make) -> None:
    """The exception depends on the code, and has the server's status, code and message."""
    server = Reference()
    client = make(server)
    server.plan.append(refusal(403, 303, "the agent feed is not switched on"))
    with pytest.raises(errors.FeedNotSwitchedOn, match="is not switched on") as caught:
        client.ask("agent_event_feed")
    assert (caught.value.status, caught.value.code) == (403, 303)


def test_wrong_credentials_are_distinguished_from_an_ended_session(make: Make) -> None:
    """A refused login raises ``BadCredentials``, whatever code the server uses."""
    client = make(Reference())
    for code in (300, 301, 999):
        with pytest.raises(errors.BadCredentials) as caught:
            make(_RefusingServer(code)).ask("agent_event_feed")
        assert (caught.value.status, caught.value.code) == (401, code)
    assert client.ask("log_in").client_id == 47415


class _RefusingServer(Reference):
    """A server that refuses every login."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self._code = code

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return refusal(401, self._code)


def test_a_password_is_changed_once_and_used_for_the_next_login(make: Make) -> None:
    """After a change, the client logs in with the new password.

    A change that gets no response is not retried.
    """
    server = Reference()
    client = make(server)
    client.ask("log_in")
    server.plan.append(httpx.Response(204))
    client.ask("change_password", "a better one")
    client.ask("agent_event_feed")
    assert [b'"password":"a better one"' in one.content for one in server.requests] == [
        False, False, True, False,
    ]  # fmt: skip
    server.plan.append(httpx.ReadError("reset"))
    with pytest.raises(errors.Unavailable, match="/session/password: the connection was closed"):
        client.ask("change_password", "another")
    assert server.method_requests()[-1][3]["newPassword"] == "another"


def test_a_session_can_be_validated_and_ended(make: Make) -> None:
    """Both requests have the session's id in the path, and are not sent without a session."""
    server = Reference()
    client = make(server)
    assert client.ask("validate") is False
    client.ask("log_out")
    assert server.requests == []
    client.ask("log_in")
    server.plan += [httpx.Response(204), refusal(404, 404), httpx.Response(204)]
    assert client.ask("validate") is True
    assert client.ask("validate") is False
    client.ask("log_out")
    client.ask("log_in")
    server.plan.append(refusal(404, 404))
    client.ask("log_out")
    assert [one[:2] for one in server.method_requests()] == [
        ("GET", "/session/validate/session-1"),
        ("GET", "/session/validate/session-1"),
        ("DELETE", "/session/logout/session-1"),
        ("DELETE", "/session/logout/session-2"),
    ]


def test_the_next_run_resumes_from_the_stored_token(make: Make, tmp_path: Path) -> None:
    """A run continues after the last event of the previous run, which closed its feed cleanly.

    The stored token also advances when there are no events.
    """
    server, store = Reference(events=7), TokenFile(tmp_path / "token")
    store.save(START)
    got: list[int] = []
    for count in (2, 4, 1):
        client = make(server)
        feed = client.ask("interaction_events", store=store)
        got += numbers(client.take(feed, count))
        client.close_feed(feed)
    assert got == list(range(7))


def test_call_events_come_from_the_deprecated_feed(make: Make) -> None:
    """The client reads call events from the deprecated feed, by long polls and with a filter."""
    server = Reference()
    client = make(server)
    page = {"token": START, "events": [], "callEvent": [{"interactionType": "VOICE"}]}
    server.plan.append(httpx.Response(200, json=page))
    feed = client.ask("call_events", START, filter=Filter(service=[1]))
    assert client.take(feed, 1) == [(b'{"interactionType":"VOICE"}', START)]
    body = {"token": START, "filter": {"service": [{"id": 1}]}}
    assert server.method_requests() == [
        ("POST", "/realtime/callEvent/feed", {"count": "1000"}, body)
    ]


def test_an_unexpected_response_raises_an_error(make: Make) -> None:
    """A response whose JSON has an unexpected shape is not retried."""
    server = Reference()
    client = make(server)
    server.plan.append(httpx.Response(200, json={"stats": [{"cip": "many"}]}))
    with pytest.raises(errors.UnexpectedAnswer, match=r"\$\.stats\[0\]\.cip"):
        client.ask("service_statistics")
    assert client.paused == []
