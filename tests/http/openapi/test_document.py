"""Tests that the OpenAPI document is complete, valid, reproducible and correct.

Schemathesis runs its checks on a real server with a day of events. Requests that must succeed use
existing ids, which a schema alone does not provide.
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from floorcast.http.error_responses import STATUS, MethodNotAllowed
from floorcast.http.openapi.descriptions import MEMBERS
from floorcast.http.openapi.document import document
from floorcast.http.openapi.examples import examples
from floorcast.http.openapi.figure_descriptions import FIGURES
from floorcast.http.openapi.schemas import schema
from floorcast.http.routes import ROUTES
from floorcast.http.routing import ANY
from floorcast.model.inbound import CallQueue
from floorcast.server import protocol_refusals
from floorcast.server.protocol_refusals import ProtocolRefusal
from tests.golden.examples import mismatches
from tests.http.openapi.whole_document import DOCUMENT
from tests.real.server import EVENTS, Caller, Server, running
from tests.real.sites import KEYS, PASSWORD, TOKENS, event, ndjson
from tests.search import tries

T = TypeVar("T")

STREAM = "text/event-stream"
SCHEMAS = DOCUMENT["components"]["schemas"]


def strict_document(told: dict[str, Any]) -> dict[str, Any]:
    """Return the document, with responses restricted to the listed members.

    In a batch, one type of event stands for all, because each type is tested alone.
    """
    told = copy.deepcopy(told)
    bodies = told["paths"]["/ingest/v1/events"]["post"]["requestBody"]["content"]
    bodies["application/cloudevents-batch+json"]["schema"]["items"] = schema(CallQueue)
    schemas = told["components"]["schemas"]
    ahead = [one["responses"] for methods in told["paths"].values() for one in methods.values()]
    ahead.append(told["components"]["responses"])
    while ahead:
        for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(ahead.pop())):
            if "oneOf" in schemas[name]:  # its members are those of its types
                ahead.append(schemas[name])
            elif "additionalProperties" not in schemas[name]:
                schemas[name]["additionalProperties"] = False
                ahead.append(schemas[name])
    return told


SCHEMA = schemathesis.openapi.from_dict(
    strict_document(DOCUMENT),
    config=schemathesis.Config.from_dict(
        {
            "generation": {
                "deterministic": True,
                "with-security-parameters": False,
                "allow-extra-parameters": False,  # the contract ignores unknown members
                "no-shrink": True,
            }
        }
    ),
)
OPERATIONS = [(verb, path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs]
OPENED = 3  # successful requests per method that are repeated without credentials
CALL = {"transactionId": 7, "sessionId": "S7"}
DAY = [
    event("agent.state", 1, agent="VKUMARK", eventType="LOGON", service=38049, team=1234),
    event("agent.state", 2, agent="SEBY", eventType="LOGON", service=38049),
    event("call.start", 3, **CALL, service=38049, direction="INBOUND", callerId="6503517450"),
    event("call.queue", 4, **CALL),
    event("agent.state", 5, agent="VKUMARK", eventType="IN_CALL", call=CALL),
    event("call.disposition", 6, **CALL, agent="VKUMARK", termCode="RPC"),
    event("call.end", 7, **CALL),
    event("call.start", 8, transactionId=8, sessionId="S8", service=38049, direction="OUTBOUND"),
    event("call.start", 9, transactionId=9, sessionId="S9", service=38049, direction="INBOUND"),
    event("call.queue", 10, transactionId=9, sessionId="S9"),
    event("email.attempt", 11, service=38049, eventType="Attempt", fromEmail="a@example.com"),
    event("sms.attempt", 12, service=38049, eventType="Delivered", campaignTypeId=6),
    event("campaign.update", 13, campaign=77, service=38049, state="PLAYING", timezones={"ET": 3}),
]
REAL = {"service": 38049, "callCenter": 1623, "campaign": 77}
NAMED: dict[str, Any] = {
    "clientName": "ACME",
    "userName": "auditor",
    "password": PASSWORD,
    "agent": False,
}


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Return a text unchanged, and any other value as one line of JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class ServerUnderTest:
    """A server with a day of events, and its credentials."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # a login sets one
        self.tried: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()
        self.request_count = 0
        with Caller(server.url) as caller:
            self.session = caller.login()
            self.token = caller.feed(EVENTS).token
            caller.take(ndjson(DAY))

    def should_send(self, case: schemathesis.Case[Any]) -> bool:
        """Return whether to send the request.

        For ingest, which has thousands of combinations, one in ten is sent.
        """
        self.tried[case.operation.label] += 1
        return not case.path.startswith("/ingest") or self.tried[case.operation.label] % 10 == 0

    def headers(self, path: str) -> dict[str, str]:
        """Return credentials for a path.

        Each request has another address, because failures slow an address down.
        """
        self.request_count += 1
        first, rest = divmod(self.request_count, 62_500)
        second, third = divmod(rest, 250)
        return {
            "X-Forwarded-For": f"10.{first}.{second}.{third}",
            **self._credentials(path),
        }

    def _credentials(self, path: str) -> dict[str, str]:
        if path.startswith("/ingest"):
            return {"Authorization": f"Bearer {KEYS['ACME']}"}
        if path.startswith("/session"):
            return {"LV-Access": TOKENS["ACME"]}
        return {"LV-Session": self.session}


@pytest.fixture(scope="module")
def under_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerUnderTest]:
    folder = tmp_path_factory.mktemp("openapi")
    with Server(folder, options=("--trusted-proxies", "127.0.0.1")) as server:
        yield ServerUnderTest(server)


SPAN = {
    "from": "2026-11-01",
    "to": "2026-11-20",
    "cursor": None,
}  # the schema does not have the maximum length


def use_real_ids(case: schemathesis.Case[Any], token: str) -> None:  # noqa: C901 -- a rule each
    """Replace ids by existing ones in a request that the schema allows."""
    if isinstance(case.body, dict | list):
        case.body = with_whole_numbers(case.body)
    if case.path.startswith("/ingest") and case.method == "POST":
        lines = case.media_type == "application/x-ndjson"
        case.body = ndjson(DAY).decode() if lines else without_time(case.body)
    for member, real in (("clientName", NAMED), ("from", SPAN)):
        if isinstance(case.body, dict) and member in case.body:
            case.body |= real
    for given in (case.body, case.query):
        if isinstance(given, dict) and str(given.get("token") or "").strip():
            given["token"] = token
        if isinstance(given, dict) and given.get("at") is not None:
            given["at"] = time.time_ns() // 1_000_000  # the owner of the ids is known by now
    wanted = case.body.get("filter") if isinstance(case.body, dict) else None
    if isinstance(case.body, dict) and isinstance(wanted, dict):
        case.body["filter"] = findable_filter(wanted, case.path)
    if isinstance(case.body, dict) and "figure" in case.body:
        # a schema cannot know a request's cursor or where intervals begin
        case.body |= dict.fromkeys(("start", "end", "cursor", "client"))
    if isinstance(case.headers.get("Last-Event-ID"), str):
        case.headers["Last-Event-ID"] = token


def with_whole_numbers(value: T) -> T:
    """Return whole numbers without a fraction.

    In JSON Schema, 1.0 is an integer, but not in msgspec.
    """
    if isinstance(value, dict):
        return cast(T, {name: with_whole_numbers(member) for name, member in value.items()})
    if isinstance(value, list):
        return cast(T, [with_whole_numbers(member) for member in value])
    return cast(T, int(value)) if isinstance(value, float) and value.is_integer() else value


def without_time(body: T) -> T:
    """Return events with the current time, because a schema cannot exclude the future."""
    for one in body if isinstance(body, list) else [body]:
        if isinstance(one, dict):
            one.pop("time", None)
    return body


def findable_filter(a_filter: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a filter with ids that exist, of one kind if only one kind is allowed."""
    real = {
        member: [{"id": REAL[member]}] if member in REAL else values
        for member, values in a_filter.items()
        if values
    }
    if "callEvent" in path:
        # Other types are not in this feed, and the request would wait.
        real.pop("interactionType", None)
    return dict(list(real.items())[:1]) if path.endswith("campaign/stats") else real


def response_to(case: schemathesis.Case[Any], under_test: ServerUnderTest) -> requests.Response:
    """Return the response. For a stream, which does not end, return only the head."""
    request = case.as_transport_kwargs(
        base_url=under_test.url, headers=under_test.headers(case.path)
    )
    response = under_test.http.request(**request, stream=True, timeout=30)
    if response.headers.get("Content-Type", "").startswith(STREAM):
        response._content = b""  # noqa: SLF001 - requests reads a body whole, or not at all
        response.close()
    return response


def excluded_checks_for(
    case: schemathesis.Case[Any], response: requests.Response, under_test: ServerUnderTest
) -> list[CheckFunction]:
    """Return the checks to skip: those that contradict the contract, and one that is sampled."""
    under_test.opened[case.operation.label] += response.ok
    enough = under_test.opened[case.operation.label] > OPENED  # it repeats the request twice
    return [*contradicted_checks(case, response), *([ignored_auth] if enough else [])]


def contradicted_checks(
    case: schemathesis.Case[Any], response: requests.Response
) -> list[CheckFunction]:
    if "410" in case.operation.definition.raw["responses"]:
        return [positive_data_acceptance, unsupported_method]  # 410 for any method and body
    if response.status_code == 414 and len(response.request.url or "") > 30_000:
        # the schema cannot limit the whole URL, and 414 is a valid rejection
        return [positive_data_acceptance, negative_data_rejection]
    if "access_token" in (case.query or {}):
        return [negative_data_rejection]  # it is ignored if the header has a key
    body = response.request.body
    if response.status_code == 413 and isinstance(body, bytes) and len(body) > 1 << 20:
        return [positive_data_acceptance, negative_data_rejection]  # nor the whole body
    if isinstance(body, bytes) and body.isspace():
        return [negative_data_rejection]  # not JSON for schemathesis, but "nothing given" for us
    taken = case.path.startswith("/ingest") and case.method == "POST" and response.ok
    if taken and response.json()["rejected"]:
        return [negative_data_rejection]  # each event has its own verdict
    return []


@settings(
    max_examples=tries(20),
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def check_conformance(case: schemathesis.Case[Any], under_test: ServerUnderTest) -> None:
    if not under_test.should_send(case):
        return
    if case.meta is not None and case.meta.generation.mode.is_positive:
        use_real_ids(case, under_test.token)
    response = response_to(case, under_test)
    case.validate_response(
        response,
        headers=under_test.headers(case.path),
        excluded_checks=excluded_checks_for(case, response, under_test),
        transport_kwargs={"base_url": under_test.url, "headers": under_test.headers(case.path)},
    )


@pytest.mark.long
@pytest.mark.parametrize(("verb", "path"), OPERATIONS)
def test_the_server_conforms_to_the_document(
    verb: str, path: str, under_test: ServerUnderTest
) -> None:
    """Every response has a documented status, type, headers and body.

    ``SCHEMA.parametrize`` would generate the cases of all operations in every worker, at 13 s each.
    """
    (made,) = get_all_tests(
        schema=SCHEMA.include(path=path, method=verb.upper()),
        test_func=check_conformance,
        settings=None,
        given_kwargs=None,
    )
    assert isinstance(made, Ok)
    _operation, ask = made.ok()
    ask(under_test=under_test)


def test_every_route_is_documented() -> None:
    """The document has no other operations.

    A misspelled path of the reference is described with its method.
    """
    told = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    table = {
        (method, route.path)
        for route in ROUTES
        for method in (("GET", "POST") if route.method == ANY else (route.method,))
    }
    assert told == table
    for route in ROUTES:
        assert (route.alias or "") in json.dumps(DOCUMENT["paths"][route.path])


def test_every_member_is_described() -> None:
    """Every member has a description, and every description is used."""
    used = set()
    for kind, found in SCHEMAS.items():
        for name, member in found.get("properties", {}).items():
            assert member["description"].endswith("."), f"{kind}.{name}"
            used |= {name, f"{kind}.{name}"}
    assert {*MEMBERS, *FIGURES} - used == set()


def test_the_feeds_unions_have_discriminators() -> None:
    """The discriminator is the channel, and for voice events the event type."""
    items = SCHEMAS["FeedAnswer"]["properties"]["events"]["items"]
    assert items["discriminator"]["propertyName"] == "interactionType"
    assert set(items["discriminator"]["mapping"]) == {"VOICE", "Email", "SMS"}
    assert SCHEMAS["VoiceEvent"]["discriminator"]["propertyName"] == "callEventType"
    events = SCHEMAS["CallFeedAnswer"]["properties"]["events"]
    assert events["items"] == {"$ref": "#/components/schemas/VoiceEvent"}


def test_operation_ids_can_be_function_names() -> None:
    """Names are unique, in camel case, and say more than the common parts."""
    names = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-zA-Z]{4,}", name) for name in names)
    assert {"serviceStatistics", "agentStatus", "waitingCalls", "sendEvents"} <= set(names)


def test_the_document_is_valid() -> None:
    """The document is valid OpenAPI 3.1, and all its references resolve."""
    SCHEMA.validate()
    for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(DOCUMENT)):
        assert name in DOCUMENT["components"][kind]


def test_the_document_is_reproducible(under_test: ServerUnderTest) -> None:
    """The same routes produce the same bytes, even in another process."""
    with Caller(under_test.url) as caller:
        assert caller.http.get("/openapi.json").content == msgspec.json.encode(document(ROUTES))


def test_every_error_code_is_documented() -> None:
    """Every code is listed under its status, for every known path and method."""
    told = set(re.findall(r"Code (\d+):", json.dumps(DOCUMENT["components"]["responses"])))
    assert told | {str(MethodNotAllowed.code)} == set(map(str, STATUS))


def test_every_method_documents_the_protocol_errors() -> None:
    """These are the statuses for malformed, slow, too large and too many requests."""
    refusals = [one for one in vars(protocol_refusals).values() if isinstance(one, ProtocolRefusal)]
    assert len(refusals) > 8
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            for refusal in refusals:
                status = str(refusal.status.value)
                if status == "405":  # of CONNECT, which no path has as a method
                    continue
                name = told["responses"][status].get("$ref", "").rpartition("/")[2]
                answer = DOCUMENT["components"]["responses"].get(name) or told["responses"][status]
                assert f"Code {refusal.code}:" in answer["description"], (path, method, status)


def test_every_example_of_the_reference_is_shown() -> None:
    """Every example body appears unchanged with its method."""
    everything = json.dumps(DOCUMENT)
    for example in examples().values():
        for body in (example.body, example.answer):
            assert body is None or json.dumps(body) in everything


def test_our_own_examples_match_the_servers_responses(tmp_path: Path) -> None:
    """floorcast's own examples match the responses of the example site."""
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    own = [example for name, example in examples().items() if name.startswith("own_")]
    with (
        running(tmp_path, "--archive", tmp_path / "archive", site=site) as server,
        Caller(server.url) as caller,
    ):
        session = ""
        for one in own:
            headers = one.headers | (
                {"LV-Session": session} if "LV-Access" not in one.headers else {}
            )
            answer = caller.http.request(
                one.method, one.target, headers=headers, content=json.dumps(one.body)
            )
            if one.target == "/session/login":
                session = answer.json()["sessionId"]
            assert answer.status_code == one.status, answer.text
            assert one.answer is None or mismatches(one.answer, answer.json()) == []
    assert len(own) == 7
