"""A floor of realistic size, and requests to every method, for the search in ``slow_inputs``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any
from urllib.parse import quote

import msgspec

from floorcast.http.openapi.document import document
from floorcast.http.routes import ROUTES
from floorcast.kv.folder import open_kv
from floorcast.model.token import TICKS_PER_SECOND, position
from floorcast.server.wallboard_routes import page_routes
from floorcast.site.digests import digest, new_key
from floorcast.site.edits import add_key
from tests.real.nodes import Clock, NodeHarness
from tests.real.sites import ACME, CHEAP, KEYS, PASSWORD, TOKENS, event, ndjson
from tests.real.slow_recipes import FIRST_SERVICE, SERVICES, SESSION, Recipe

__all__ = ["BEGIN", "FULL_SITE", "fill", "recipes_of_routes"]

AGENTS, CALLS, OPEN_CALLS = 2_000, 20_000, 5_000
CAMPAIGNS, CENTERS = 100, 20
HOURS = 6  # in which the calls begin
END = 1_795_460_400 * TICKS_PER_SECOND  # at 19:00 UTC
BEGIN = END - HOURS * 3600 * TICKS_PER_SECOND
_PER_REQUEST = 5_000  # events

_user = f'role = "Sysadmin", password_hash = "{CHEAP.hash(PASSWORD)}"'
_centers = ", ".join(f'{{id = {n}, name = "Center {n}"}}' for n in range(CENTERS))
_services = ", ".join(
    f'{{id = {FIRST_SERVICE + n}, name = "Service {n}", call_center = {n % CENTERS}}}'
    for n in range(SERVICES)
)
_figures = ("totalCallsInQueue", "abandonRate", "serviceLevel", "interval.offered")
_alerts = ", ".join(f'{{name = "{figure}", figure = "{figure}", above = 1}}' for figure in _figures)
FULL_SITE = f"""
[[client]]
id = 47415
name = "ACME"
time_zone = "UTC"
feeds = ["agent", "interaction"]
api_tokens = ["{TOKENS["ACME"]}"]
ingest_keys = ["{KEYS["ACME"]}"]
call_center = [{_centers}]
service = [{_services}]
alert = [{_alerts}]
user = [
    {{id = 9001, name = "sysadmin", {_user}}},
    {{id = 9004, name = "limited", {_user}, call_centers = [0, 1, 2]}},
]
"""

Event = dict[str, Any]


def fill(harness: NodeHarness, clock: Clock, seed: int = 1) -> Mapping[str, str]:
    """Send the events of a day, and set the clock to its end.

    Returns the values of the words that only the recipes for this floor have.
    """
    key = _add_metrics_key(harness)
    events = _events(random.Random(seed))
    while some := list(islice(events, _PER_REQUEST)):
        moment = datetime.fromisoformat(some[-1]["time"])
        clock.ticks = max(clock.ticks, int(moment.timestamp()) * TICKS_PER_SECOND)
        verdicts = harness.take(ndjson(some))
        assert not verdicts["rejected"], verdicts
    clock.ticks = END
    alerts = harness.ask("GET", "/realtime/alerts", harness.login()).json()["alerts"]
    return {
        "token": harness.node.server.token_of(ACME, position(1, 0)),
        "alertId": str(alerts[0]["alertId"]),
        "metrics key": key,
    }


def _add_metrics_key(harness: NodeHarness) -> str:
    key = new_key()

    async def add() -> None:
        kv = open_kv(harness.data)
        await add_key(kv, ACME, "metrics_keys", digest(key))
        await kv.close()

    harness.close()
    harness.run(add())
    harness.open()
    return key


def _events(chance: random.Random) -> Iterator[Event]:
    begin = BEGIN // TICKS_PER_SECOND
    numbers = count()

    def send(kind: str, second: float, **data: object) -> Event:
        time = datetime.fromtimestamp(begin + second, UTC).isoformat()
        return event(kind, next(numbers), time=time, **data)

    for number in range(AGENTS):
        services = [FIRST_SERVICE + (number + step) % SERVICES for step in (0, 7, 31)]
        yield send("agent.state", 0, agent=f"AGENT{number}", eventType="LOGON", services=services)
        yield send("agent.state", 0, agent=f"AGENT{number}", eventType="READY")
    for number in range(CAMPAIGNS):
        zones = dict.fromkeys(("ET", "CT", "MT", "PT"), number)
        yield send(
            "campaign.update", 0, campaign=f"Campaign {number}", service=FIRST_SERVICE + number,
            loaded=9_000, remaining=100, state="PLAYING", timezones=zones,
        )  # fmt: skip
    for number in range(CALLS):
        yield from _call(number, number * (HOURS * 3600 - 300) / CALLS, chance, send)


def _call(number: int, begin: float, chance: random.Random, send: Any) -> Iterator[Event]:  # noqa: ANN401 - a local function
    key = {"transactionId": number, "sessionId": f"U{chance.getrandbits(48):012X}@10.1.1.1"}
    service, agent = FIRST_SERVICE + chance.randrange(SERVICES), f"AGENT{chance.randrange(AGENTS)}"
    phone = f"650{chance.randrange(10**7):07}"
    direction = chance.choice(("INBOUND", "OUTBOUND"))
    yield send(
        "call.start", begin, **key, service=service, direction=direction, callerId=phone,
        account=f"{number:09}", campaign=f"Campaign {number % CAMPAIGNS}",
        consumer={"firstName": "John", "lastName": "Mcgee"},
    )  # fmt: skip
    yield send("call.queue", begin + 1, **key, skill="general")
    is_open = number >= CALLS - OPEN_CALLS
    if chance.random() < (0.5 if is_open else 0.9):
        call = {**key, "phoneNumber": phone, "direction": direction}
        yield send(
            "agent.state", begin + 9, agent=agent, eventType="IN_CALL", service=service, call=call
        )
    if not is_open:
        yield send("call.end", begin + 200, **key, lvResult="Operator Transfer", lvResultId=661)
        yield send("call.disposition", begin + 210, **key, termCode="RPC", agent=agent)
        yield send("agent.state", begin + 240, agent=agent, eventType="READY", service=service)


def recipes_of_routes(values: Mapping[str, str]) -> tuple[Recipe, ...]:
    """Return recipes for requests to every method, with valid bodies from the OpenAPI document.

    ``values`` are those that ``fill`` returns.

    A request has the members and parameters that the method requires. In each recipe, another
    member or parameter becomes long.
    """
    found, known = msgspec.to_builtins(document(ROUTES)), {**_VALUES, **values}
    schemas = found["components"]["schemas"]
    files = (
        Recipe(f"GET {one.path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: ", "", '"x",', in_head=True)
        for one in page_routes()
    )
    return (
        *files,
        *(
            recipe
            for path, methods in found["paths"].items()
            for method, operation in methods.items()
            if path != "/ingest/v1/events" and not isinstance(operation, str)
            for recipe in _Operation(
                f"{method.upper()} {path}", operation, schemas, known
            ).recipes()
        ),
    )


_VALUES = {  # of members and parameters that must name what exists
    "id": FIRST_SERVICE,
    "session": "U",
    "from": "2026-11-23",
    "to": "2026-11-23",
    "clientName": "ACME",
    "userName": "sysadmin",
    "sessionId": "0" * 32,  # a valid one would be logged out
}
_LONG = "LONG"
_FIRST = 400  # bytes of the first request
_ELEMENT = '{"id":{s}}'
_CENTER = '{"id":{r}}'
_ENCODED = ("a", "%22", "%5B", "%C3%A9", "%F0%9F%98%80", "+")
_ESCAPED = ("0", "\\u00e9", "\\ud83d\\ude00", "é")


class _Operation:
    """An operation of the OpenAPI document."""

    def __init__(
        self,
        line: str,
        operation: Mapping[str, Any],
        schemas: Mapping[str, Any],
        known: Mapping[str, Any],
    ) -> None:
        self._schemas = schemas
        self._known = known
        parameters = operation.get("parameters", ())
        for one in parameters:
            if one["in"] == "path":
                line = line.replace(f"{{{one['name']}}}", str(known[one["name"]]))
        self._query = [one for one in parameters if one["in"] == "query"]
        self._line = line
        key = known["metrics key"] if line.endswith("/metrics/floor") else KEYS["ACME"]
        self._headers = (
            f" HTTP/1.1\r\nHost: x\r\nLV-Session: {SESSION}\r\nLV-Access: {TOKENS['ACME']}\r\n"
            f"Authorization: Bearer {key}\r\nAccept-Encoding: gzip\r\n"
        )
        bodies = operation.get("requestBody", {}).get("content", {})
        self._body = self._resolved(bodies.get("application/json", {}).get("schema", {}))

    def recipes(self) -> Iterator[Recipe]:
        """Yield recipes with a plain request, and with each member or parameter made long."""
        needed = {
            one["name"]: str(self._value(one["name"], one["schema"]))
            for one in self._query
            if one.get("required")
        }
        for body, unit in self._bodies():
            before, _, after = body.partition(_LONG)
            yield Recipe(self._target(needed) + self._headers, before, unit, after, first=_FIRST)
        for one in self._query:
            for unit in _ENCODED:
                yield self._long_query({**needed, one["name"]: _LONG}, unit)
            if one["name"] == "filter":
                text = quote('{"service":[{"id":1}') + _LONG + quote("]}")
                yield self._long_query(
                    {"token": self._known["token"], "filter": text}, quote(",") + _ELEMENT
                )

    def _long_query(self, query: Mapping[str, str], unit: str) -> Recipe:
        before, _, after = self._target(query).partition(_LONG)
        return Recipe(before, "", unit, after + self._headers, in_head=True, first=_FIRST)

    def _target(self, query: Mapping[str, str]) -> str:
        pairs = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self._line}?{pairs}" if pairs else self._line

    def _bodies(self) -> Iterator[tuple[str, str]]:
        """Yield bodies, with a mark in place of a repeated part, and the part."""
        members = self._body.get("properties", {})
        needed = {name: self._value(name, members[name]) for name in self._body.get("required", ())}
        if "token" in members:
            needed["token"] = self._known["token"]  # otherwise, the request waits for an event
        yield json.dumps(needed), ""
        for name, member in members.items():
            for value in member.get("enum", ()):
                yield json.dumps({**needed, name: value}), ""
            for choice in map(self._resolved, member.get("anyOf", (member,))):
                if choice.get("type") == "string":
                    for unit in _ESCAPED:
                        yield json.dumps({**needed, name: _LONG}), unit
                for condition, part in choice.get("properties", {}).items():
                    given = {condition: [self._value(condition, part)[0], _LONG]}
                    body = json.dumps({**needed, name: given})
                    element = _CENTER if condition == "callCenter" else _ELEMENT
                    yield body.replace(f', "{_LONG}"', _LONG), f",{element}"

    def _value(self, name: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        """Return a valid value for a member or parameter."""
        schema = self._resolved(schema)
        if name in self._known:
            return self._known[name]
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self._value(name, schema["anyOf"][0])
        match schema.get("type"):
            case "object":
                members = schema["properties"]
                names = schema.get("required") or list(members)[:1]
                return {one: self._value(one, members[one]) for one in names}
            case "array":
                return [self._value(name, schema["items"])]
            case "integer":
                return schema.get("minimum", 1)
            case _:
                return "x"

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return self._schemas[name] if name else schema
