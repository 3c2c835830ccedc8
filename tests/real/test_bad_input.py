"""Tests that a server refuses every kind of bad HTTP input with a clear error.

Such input must not change anything.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.model.inbound import InboundEvent
from tests.real.server import AGENTS, EVENTS, Caller, Server, running
from tests.real.sites import KEYS, event, ndjson
from tests.search import tries

INTAKE = "/ingest/v1/events"
LINES = "application/x-ndjson"
BATCH = "application/cloudevents-batch+json"
ONE = "application/cloudevents+json"
GOOD = event("sms.attempt", "good", service=77, eventType="Attempt")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all tests. Its log must not contain an error."""
    with running(tmp_path_factory.mktemp("bad")) as one:
        yield one
        assert one.terminate() == 0
        for record in map(json.loads, one.log.read_text().splitlines()):
            assert record["level"] in {"info", "warning"}, record
            assert record["event"] != "fault"


@pytest.fixture(scope="module")
def caller(server: Server) -> Iterator[Caller]:
    """Yield a caller that has logged in as a user with all rights."""
    with Caller(server.url) as one:
        one.login()
        yield one


@pytest.fixture(autouse=True)
def nothing_changes(caller: Caller) -> Iterator[None]:
    """Check that a test has added no event to the log or the feeds."""
    before = positions(caller)
    yield
    assert positions(caller) == before


def positions(caller: Caller) -> list[float]:
    """Return the numbers of published events and accepted events."""
    counts = (
        "floorcast_feed_published_events_total",
        'floorcast_intake_events_total{outcome="accepted"}',
    )
    values = caller.metric_values()
    return [values.get(name, 0.0) for name in counts]


def send(
    caller: Caller, content: bytes, kind: str | None = LINES, **headers: str
) -> httpx.Response:
    """Send a request to the intake."""
    given = {"Authorization": f"Bearer {KEYS['ACME']}"} | headers
    if kind is not None:
        given["Content-Type"] = kind
    return caller.http.post(INTAKE, content=content, headers=given)


def refused(answer: httpx.Response, status: int, code: int, *said: str) -> dict[str, Any]:
    """Check that the response is a refusal as in the contract. Returns its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    for words in said:
        assert words in body["message"], body
    assert "Traceback" not in answer.text
    assert "floorcast/" not in answer.text
    return body


# --- whole requests with events -------------------------------------------------------------------

WHOLE = [
    (
        "half a gzip",
        gzip.compress(ndjson([GOOD]) * 50)[:-20],
        LINES,
        "gzip",
        400,
        203,
        "truncated",
    ),
    ("no gzip", ndjson([GOOD]), LINES, "gzip", 400, 203, "gzip"),
    ("another encoding", ndjson([GOOD]), LINES, "br", 415, 415, "Content-Encoding"),
    ("a gzip bomb", gzip.compress(bytes(64 * MIB)), LINES, "gzip", 413, 413, "larger"),
    ("10,001 events", ndjson([GOOD]) * 10_001, LINES, "", 413, 413, "10,000"),
    ("10,001 packed", gzip.compress(ndjson([GOOD]) * 10_001), LINES, "gzip", 413, 413, "10,000"),
    ("10,001 in an array", json.dumps([GOOD] * 10_001).encode(), BATCH, "", 413, 413, "10,000"),
    ("17 MiB", b" " * 17 * MIB, LINES, "", 413, 413, "larger"),
    ("no type", ndjson([GOOD]), None, "", 415, 415, "Content-Type"),
    ("a broken type", json.dumps(GOOD).encode(), ";;=", "", 415, 415, LINES),
    ("an object for an array", json.dumps(GOOD).encode(), BATCH, "", 400, 203, "array"),
    ("half an array", json.dumps([GOOD]).encode()[:-1], BATCH, "", 400, 203, "array"),
    ("a deep array", b"[" * 100_000, BATCH, "", 400, 203, "array"),
    ("an array with a NUL", b"[\0]", BATCH, "", 400, 203, "array"),
    ("an array with broken UTF-8", b'["\xff"]', BATCH, "", 400, 203, "array"),
]


@pytest.mark.parametrize(
    ("content", "kind", "encoding", "status", "code", "said"),
    [case[1:] for case in WHOLE],
    ids=[case[0] for case in WHOLE],
)
def test_an_invalid_request_is_refused_completely(
    caller: Caller,
    content: bytes,
    kind: str | None,
    encoding: str,
    status: int,
    code: int,
    said: str,
) -> None:
    """An invalid request is refused with the right status and code, and no event is accepted."""
    answer = send(caller, content, kind, **({"Content-Encoding": encoding} if encoding else {}))
    assert set(refused(answer, status, code, said)) == {"code", "message"}


def test_a_body_without_a_length_is_limited(caller: Caller) -> None:
    """A chunked body of 17 MiB is refused because it exceeds the limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(17):
            yield b"\n" * MIB

    answer = caller.http.post(
        INTAKE,
        content=chunks(),
        headers={"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": LINES},
    )
    refused(answer, 413, 413, "larger")


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer acme-token-for-tests"},
        {"Authorization": "Basic acme-key-for-testing"},
        {"Authorization": "acme-key-for-testing"},
        {"LV-Access": "acme-key-for-testing"},
        {"Authorization": "Bearer " + "x" * 10_000},
        {"Authorization": "Bearer sch\xf6n"},
    ],
)
def test_events_without_a_valid_key_are_refused(
    caller: Caller, credentials: dict[str, str]
) -> None:
    """Without a valid ingest key, the response is 401 with code 300."""
    given = {"Content-Type": LINES, **credentials}.items()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in given]
    answer = caller.http.post(INTAKE, content=ndjson([GOOD]), headers=headers)
    refused(answer, 401, 300)
    assert answer.headers["www-authenticate"].startswith("Bearer")


# --- single events ------------------------------------------------------------------------------


def changed_event(**changes: object) -> bytes:
    """Return a call.start event in which some members are changed.

    ``...`` omits a member. The name ``data_x`` stands for the member ``x`` in the data.
    """
    one = event("call.start", 1, transactionId=1, sessionId="s", service=77, direction="INBOUND")
    for name, value in changes.items():
        into, key = (one["data"], name[5:]) if name.startswith("data_") else (one, name)
        into.pop(key, None)
        if value is not ...:
            into[key] = value
    return json.dumps(one).encode()


SINGLE = [
    (b"nope", 203, "JSON"),
    (b"null", 202, "event"),
    (b"7", 202, "event"),
    (b"[]", 202, "event"),
    (b"{", 203, "JSON"),
    (b'{"a":' * 100_000, 203, "deep"),
    (changed_event()[:-1] + b',"x":"\0"}', 203, "JSON"),
    (changed_event()[:-1] + b',"x":"\xc3\x28"}', 203, "UTF-8"),
    (changed_event()[:-1] + b',"x":"\\ud800"}', 203, "JSON"),
    (changed_event()[:-1] + b',"y":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 203, "deep"),
    (changed_event(specversion=...), 201, "specversion"),
    (changed_event(specversion="0.3"), 202, "specversion"),
    (changed_event(id=...), 201, "id"),
    (changed_event(id=""), 202, "id"),
    (changed_event(id=7), 202, "id"),
    (changed_event(id="x" * 2_000), 202, "id"),
    (changed_event(source=...), 201, "source"),
    (changed_event(source=None), 202, "source"),
    (changed_event(type=...), 201, "type"),
    (changed_event(type="call.lost"), 202, "type"),
    (changed_event(type=["call.start"]), 202, "type"),
    (changed_event(data=...), 201, "data"),
    (changed_event(data=[]), 202, "data"),
    (changed_event(time="yesterday"), 202, "time"),
    (changed_event(time="2026-11-23T10:00:00"), 202, "time"),
    (changed_event(time=1795428000), 202, "time"),
    (changed_event(time="9999-12-31T23:59:59Z"), 202, "time"),
    (changed_event(time="1969-12-31T23:59:59Z"), 202, "time"),
    (changed_event(time="0001-01-01T00:00:00+14:00"), 202, "time"),
    (changed_event(data_transactionId=...), 201, "data.transactionId"),
    (changed_event(data_transactionId="x"), 202, "data.transactionId"),
    (changed_event(data_transactionId=-1), 202, "data.transactionId"),
    (changed_event(data_transactionId=1.5), 202, "data.transactionId"),
    (changed_event(data_transactionId=True), 202, "data.transactionId"),
    (changed_event(data_transactionId=10**30), 202, "data.transactionId"),
    (changed_event(data_transactionId="9" * 19), 202, "data.transactionId"),
    (changed_event(data_sessionId=""), 202, "data.sessionId"),
    (changed_event(data_sessionId=["s"]), 202, "data.sessionId"),
    (changed_event(data_sessionId="s" * 300), 202, "data.sessionId"),
    (changed_event(data_service=-5), 202, "data.service"),
    (changed_event(data_service={"id": 1}), 202, "data.service"),
    (changed_event(data_direction="inbound"), 202, "data.direction"),
    (changed_event(data_priority="high"), 202, "data.priority"),
    (changed_event(data_priority=10**30), 202, "data.priority"),
    (changed_event(data_phonePosition=-(10**30)), 202, "data.phonePosition"),
    (changed_event(data_totalDue="much"), 202, "data.totalDue"),
    (changed_event(data_consumer="John"), 202, "data.consumer"),
    (changed_event(data_consumer={"firstName": 1}), 202, "data.consumer.firstName"),
    (changed_event(data_account="x" * 5_000), 202, "data.account"),
    (
        changed_event().replace(b'"transactionId": 1', b'"transactionId": 1e400'),
        202,
        "data.transactionId",
    ),
    (
        changed_event(data_totalDue=0).replace(b'"totalDue": 0', b'"totalDue": 1e400'),
        202,
        "data.totalDue",
    ),
]


@pytest.mark.parametrize("kind", [LINES, BATCH, ONE])
def test_every_defect_of_an_event_is_reported_with_its_member(caller: Caller, kind: str) -> None:
    """Each defect is reported with its index, code and member, even with others in one request."""
    cases = [case for case in SINGLE if kind != BATCH or case[1] != 203]
    requests = [[line] for line, _, _ in cases] if kind == ONE else [[line for line, _, _ in cases]]
    found = []
    for lines in requests:
        content = b"[" + b",".join(lines) + b"]" if kind == BATCH else b"\n".join(lines)
        body = refused(send(caller, content, kind), 400, 202, "rejected")
        assert body["accepted"] == body["duplicates"] == 0
        assert [one["index"] for one in body["rejected"]] == list(range(len(lines)))
        found += body["rejected"]
    for (line, code, said), one in zip(cases, found, strict=True):
        assert (one["code"], said in one["message"]) == (code, True), (line[:200], one)


def test_an_event_five_minutes_in_the_future_is_refused(caller: Caller) -> None:
    """The verdict on an event says that its time is in the future."""
    ahead = "2999-01-01T00:00:00Z"
    body = refused(send(caller, changed_event(time=ahead), LINES), 400, 202)
    assert "5 minutes in the future" in body["rejected"][0]["message"]


# --- requests of the feeds ----------------------------------------------------------------------

BODIES = [
    (b"[]", 203, "object"),
    (b'"x"', 203, "object"),
    (b"null", 203, "object"),
    (b"{", 203, "JSON"),
    (b'{"token": "\0"}', 203, "JSON"),
    (b'{"token": "\xff"}', 203, "UTF-8"),
    (b'{"token": 5}', 202, "token"),
    (b'{"token": ["x"]}', 202, "token"),
    (b'{"token": 1e999}', 202, "token"),
    (b'{"token": "garbage"}', 202, "token"),
    (b'{"token": "\\u0000"}', 202, "token"),
    (b'{"token": "cfaf0a70-1c52-41e6-8080-808080808080"}', 202, "token"),
    (b'{"token": "ffffffff-ffff-1fff-8080-808080808080"}', 202, "future"),
    (b'{"token": "00000000-0000-1000-8000-000000000000"}', 202, "24 hours"),
    (b'{"filter": 5}', 202, "filter"),
    (b'{"filter": [[]]}', 202, "filter"),
    (b'{"filter": {"interactiontype": []}}', 202, "filter.interactiontype"),
    (b'{"filter": {"services": [{"id": 1}]}}', 202, "filter.services"),
    (b'{"filter": {"service": {"id": 1}}}', 202, "filter.service"),
    (b'{"filter": {"service": []}}', 202, "filter.service"),
    (b'{"filter": {"service": [1]}}', 202, "filter.service[0]"),
    (b'{"filter": {"service": [{}]}}', 201, "filter.service[0].id"),
    (b'{"filter": {"service": [{"ID": 1}]}}', 202, "filter.service[0].ID"),
    (b'{"filter": {"service": [{"id": 1}, {"id": -1}]}}', 202, "filter.service[1].id"),
    (b'{"filter": {"service": [{"id": 1.5}]}}', 202, "filter.service[0].id"),
    (b'{"filter": {"service": [{"id": true}]}}', 202, "filter.service[0].id"),
    (b'{"filter": {"service": [{"id": "1x"}]}}', 202, "filter.service[0].id"),
    (b'{"filter": {"service": [{"id": %d}]}}' % 10**40, 202, "filter.service[0].id"),
    (b'{"filter": {"callCenter": [{"id": {}}]}}', 202, "filter.callCenter[0].id"),
    (b'{"filter": {"interactionType": [{"type": "FAX"}]}}', 202, "filter.interactionType[0].type"),
    (b'{"filter": {"interactionType": [{"type": 1}]}}', 202, "filter.interactionType[0].type"),
    (b'{"filter": ' + b"[" * 100_000, 203, "deep"),
]


@pytest.mark.parametrize(("body", "code", "said"), BODIES, ids=[repr(b[0][:60]) for b in BODIES])
def test_an_invalid_body_is_reported_with_its_member(
    caller: Caller, body: bytes, code: int, said: str
) -> None:
    """An invalid body gets 400 with the member.

    A misspelled filter is refused, because it would otherwise select too much.
    """
    answer = caller.http.post(EVENTS, content=body)
    assert set(refused(answer, 400, code, said)) == {"code", "message"}


@pytest.mark.parametrize("count", ["499", "1001", "", "x", "1e3", "-500", "500.0", "9" * 5_000])
def test_a_count_outside_its_range_is_refused(caller: Caller, count: str) -> None:
    """An invalid count gets 400 with the member's name and the valid range."""
    for path in (EVENTS, AGENTS):
        refused(caller.http.post(path, params={"count": count}), 400, 202, "count", "500 to 1,000")


def test_non_json_and_oversized_bodies_are_refused(caller: Caller) -> None:
    """A wrong type gets 415, a body that is too large 413, and a client that refuses JSON 406."""
    html = {"Content-Type": "text/html"}
    refused(caller.http.post(EVENTS, content=b"<p>", headers=html), 415, 415, "Content-Type")
    refused(caller.http.post(EVENTS, content=b" " * 2 * MIB), 413, 413, "larger")
    packed = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(bytes(16 * MIB))
    refused(caller.http.post(EVENTS, content=bomb, headers=packed), 413, 413, "larger")
    refused(caller.http.post(EVENTS, headers={"Accept": "text/html"}), 406, 406, "Accept")


# --- long digits, in every member ---------------------------------------------------------------

LONG = "9" * 4_301  # one digit more than Python's limit for numbers
DIGITS = [
    f'"{LONG}"',
    '"' + "0" * 4_301 + '"',
    LONG,
    f"-{LONG}",
    f"0.{LONG}",
    f"1e{LONG}",
    '"' + "\u0663" * 4_301 + '"',  # digits in another script
]
MEMBER = "@@"  # a placeholder for a value


def bodies(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a JSON text for each member of a schema. The text has only this member."""
    yield MEMBER
    if "$ref" in schema and depth < 12:
        yield from bodies(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, depth + 1)
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, ()):
            yield from bodies(one, schemas, depth + 1)
    if isinstance(schema.get("items"), dict):
        yield from (f"[{one}]" for one in bodies(schema["items"], schemas, depth + 1))
    for name, member in schema.get("properties", {}).items():
        for one in bodies(member, schemas, depth + 1):
            yield f"{{{json.dumps(name)}: {one}}}"


def test_long_digits_in_a_body_cause_no_server_error(caller: Caller) -> None:
    """Each member of each body can be a text or a number with more digits than Python accepts."""
    document = caller.http.get("/openapi.json").json()
    schemas, seen = document["components"]["schemas"], 0
    for path, methods in document["paths"].items():
        if path.startswith("/session/") or "sse" in path:
            continue  # logins are limited, and streams have the same bodies as feeds
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for body in sorted(set(bodies(content["schema"], schemas))):
                    seen += 1
                    for digits in DIGITS:
                        given = body.replace(MEMBER, digits).encode()
                        answer = caller.http.request(method, path, content=given)
                        assert answer.status_code < 500, (path, body, digits[:20])
    assert seen > 30


def test_long_digits_in_a_parameter_cause_no_server_error(caller: Caller) -> None:
    """Each query parameter, path parameter and header of each method can have long digits."""
    document = caller.http.get("/openapi.json").json()
    shared, seen = document["components"].get("parameters", {}), 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", ()):
                parameter = shared[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
                name, where = parameter["name"], parameter["in"]
                seen += 1
                for digits in (LONG, "0" * 4_301, f"-{LONG}", f"{LONG}.5"):
                    at = path.replace(f"{{{name}}}", digits) if where == "path" else path
                    query = {name: digits} if where == "query" else {}
                    headers = {name: digits} if where == "header" else {}
                    answer = caller.http.request(method, at, params=query, headers=headers)
                    assert 400 <= answer.status_code < 500, (path, name, digits[:20])
    assert seen > 10


@pytest.mark.parametrize("digits", DIGITS, ids=range(len(DIGITS)))
def test_long_digits_in_an_event_cause_no_server_error(caller: Caller, digits: str) -> None:
    """Events of all types are rejected if any of their members has long digits."""
    schemas = msgspec.json.schema_components([InboundEvent], ref_template="#/x/{name}")[1]
    lines = []
    for schema in schemas.values():
        members = schema.get("properties", {})
        if "type" in members and "data" in members:
            whole = {
                "specversion": "1.0",
                "id": "i",
                "source": "s",
                "type": members["type"]["enum"][0],
            }
            head = json.dumps(whole)[:-1]
            values = sorted(set(bodies(members["data"], schemas)))
            lines += [f'{head}, "data": {data}}}' for data in values]
            lines += [json.dumps({**whole, name: MEMBER}) for name in (*whole, "time")]
    lines = [line.replace(f'"{MEMBER}"', digits).replace(MEMBER, digits) for line in lines]
    assert len(lines) > 80
    answer = send(caller, "\n".join(lines).encode())
    assert refused(answer, 400, 202, "rejected")["accepted"] == 0


# --- paths, methods, sessions -------------------------------------------------------------------

PATHS = [
    "/realtime",
    "/realtime/event",
    "/realtime/event/feed/more",
    "/realtime/vx/event/feed",
    "/v6.0/realtime/event/feed",
    "/session/login/x/y",
    "/session/validate/",
    "/realtime/%00",
    "/%ff%fe",
    "/..%2f..%2fetc%2fpasswd",
    "/" + "x" * 30_000,
]


@pytest.mark.parametrize("path", PATHS, ids=[path[:40] for path in PATHS])
def test_an_unknown_path_is_refused(caller: Caller, path: str) -> None:
    """An unknown path gets 404 for any method."""
    for method in ("GET", "POST", "DELETE", "PATCH"):
        answer = caller.http.request(method, path)
        if path == "/session/validate/" and method == "GET":
            refused(answer, 400, 201, "sessionId")
        elif path == "/session/validate/":
            refused(answer, 405, 405)
        else:
            refused(answer, 404, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", EVENTS, "POST"),
        ("PUT", AGENTS, "POST"),
        ("GET", INTAKE, "POST"),
        ("POST", "/realtime/callData/inCall", "GET"),
        ("GET", "/session/login", "POST"),
        ("POST", "/session/logout/x", "DELETE"),
        ("BREW", "/healthz", "GET"),
        ("X" * 300, "/metrics", "GET"),
    ],
)
def test_a_wrong_method_is_refused(caller: Caller, method: str, path: str, allowed: str) -> None:
    """A wrong method gets 405 with the allowed methods. A method unknown to HTTP gets 400."""
    answer = caller.http.request(method, path)
    if method in ("BREW", "X" * 300):
        refused(answer, 400, 202, "not valid HTTP")
        return
    refused(answer, 405, 405, allowed)
    assert allowed in answer.headers["allow"]


@pytest.mark.parametrize("session", ["", "x", "\xff", "0" * 10_000, "../../x", "' OR 1=1 --"])
def test_an_invalid_session_is_refused(server: Server, session: str) -> None:
    """Methods that need a valid session respond with 401 and code 301."""
    with Caller(server.url) as stranger:
        stranger.http.headers = httpx.Headers([(b"LV-Session", session.encode("latin-1"))])
        calls = [("POST", EVENTS), ("POST", AGENTS), ("GET", "/realtime/callData/inCall")]
        for method, path in calls:
            answer = stranger.http.request(method, path)
            refused(answer, 401, 301, "session")
            assert "LV-Session" in answer.headers["www-authenticate"]


def test_missing_roles_and_disabled_feeds_are_refused(server: Server) -> None:
    """The response is 403, with code 302 for the role or 303 for the feed."""
    with Caller(server.url) as auditor, Caller(server.url, "CHILD") as child:
        auditor.login("auditor")
        refused(auditor.http.post(EVENTS), 403, 302, "Auditor")
        refused(auditor.http.get("/realtime/callData/inCall"), 403, 302, "Auditor")
        child.login()
        refused(child.http.post(EVENTS), 403, 303, "interaction", "not switched on")


LOGINS = [
    (b"", 400, 201, "clientName"),
    (b"{}", 400, 201, "password"),
    (b"[]", 400, 203, "object"),
    (b'{"clientName": 1, "userName": "sysadmin", "password": "x"}', 400, 202, "clientName"),
    (b'{"clientName": "ACME", "userName": "sysadmin"}', 400, 201, "password"),
    (b'{"clientName": "ACME", "userName": " ", "password": "x"}', 400, 201, "userName"),
    (
        b'{"clientName": "ACME", "userName": "u", "password": "p", "agent": "yes"}',
        400,
        202,
        "agent",
    ),
    (b'{"clientName": "ACME", "userName": "u", "password": "\\u0000"}', 401, 300, "wrong"),
    (b'{"clientName": "ACME", "userName": "u", "password": "%b"}' % (b"x" * 90_000), 401, 300, ""),
    (b'{"clientName": "acme", "userName": "sysadmin", "password": "p"}', 401, 300, "LV-Access"),
    (b'{"clientName": "\\ud83d\\ude00", "userName": "u", "password": "p"}', 401, 300, "LV-Access"),
]


@pytest.mark.parametrize(("body", "status", "code", "said"), LOGINS)
def test_a_wrong_login_is_refused(
    caller: Caller, body: bytes, status: int, code: int, said: str
) -> None:
    """A login and a change of the password refuse invalid requests with the same errors."""
    for path in ("/session/login", "/session/password"):
        more = body[:-1] + b', "newPassword": "new password"}' if body[1:2] == b'"' else body
        answer = caller.http.post(
            path,
            content=more if path.endswith("password") else body,
            headers={"LV-Access": "acme-token-for-tests"},
        )
        refused(answer, status, code, said)


@pytest.mark.parametrize(
    ("query", "status", "code", "said"),
    [
        ("", 400, 201, "session"),
        ("session=s", 400, 201, "transaction"),
        ("session=&transaction=1", 400, 201, "session"),
        ("session=s&transaction=x", 400, 202, "transaction"),
        ("session=s&transaction=-1", 400, 202, "transaction"),
        ("session=s&transaction=1e3", 400, 202, "transaction"),
        ("session=s&transaction=" + "9" * 40, 400, 202, "transaction"),
        ("session=s&transaction=" + "9" * 19, 404, 404, "no such call"),
        ("session=%00&transaction=1", 404, 404, "no such call"),
        ("session=%ff&transaction=1", 404, 404, "no such call"),
        ("session=" + "s" * 9_000 + "&transaction=1", 404, 404, "no such call"),
        ("session=s&transaction=1&client=x", 400, 202, "client"),
        ("session=s&transaction=1&client=5", 404, 404, "no such call"),
        ("session=s&transaction=1&client=" + "9" * 19, 404, 404, "no such call"),
    ],
)
def test_an_invalid_call_request_is_refused(
    caller: Caller, query: str, status: int, code: int, said: str
) -> None:
    """An invalid request for a call is refused for calls in both phases."""
    for phase in ("inCall", "postCall"):
        refused(caller.http.get(f"/realtime/callData/{phase}?{query}"), status, code, said)


# --- any other input ------------------------------------------------------------------------------

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["token", "filter", "service", "callCenter", "interactionType", "id"])
ALMOST = st.recursive(
    JSONS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=tries(100))
@given(
    body=st.binary(max_size=200) | ALMOST.map(lambda one: json.dumps(one).encode()),
    path=st.sampled_from([EVENTS, AGENTS, "/session/login", INTAKE]),
    kind=st.sampled_from([LINES, BATCH, ONE, "application/json"]),
    packed=st.booleans(),
)
def test_no_request_causes_a_server_error(
    caller: Caller, body: bytes, path: str, kind: str, packed: bool
) -> None:
    """A request with any body gets a response or one of the contract's refusals."""
    headers = {"Content-Type": kind}
    if packed:
        headers["Content-Encoding"] = "gzip"
    if path == INTAKE:
        headers["Authorization"] = f"Bearer {KEYS['ACME']}"
    answer = caller.http.post(path, content=body, headers=headers)
    if answer.status_code != 200:
        refused(answer, answer.status_code, answer.json()["code"])
        assert answer.status_code in {400, 401, 413, 415}
