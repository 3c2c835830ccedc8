"""Recipes for requests that could block the event loop, for the search in ``slow_inputs``."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass, replace

from tests.real.sites import KEYS, TOKENS

__all__ = [
    "EVENT",
    "FIRST_SERVICE",
    "LINES",
    "MOST_BYTES",
    "MOST_EVENT_BYTES",
    "SEEDS",
    "SERVICES",
    "SESSION",
    "Recipe",
    "mutated",
]

MOST_BYTES = 16 << 20  # per request
MOST_HEAD_BYTES = 1 << 20  # for all pipelined requests together
FIRST_SERVICE, SERVICES = 38_000, 200  # on the full floor
MOST_EVENT_BYTES = 999_000  # per event, with some room for its id

_INGEST = f"POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS['ACME']}\r\n"
_LOGIN = f"POST /session/login HTTP/1.1\r\nHost: x\r\nLV-Access: {TOKENS['ACME']}\r\n"
LINES = f"{_INGEST}Content-Type: application/x-ndjson\r\n"
_BATCH = f"{_INGEST}Content-Type: application/cloudevents-batch+json\r\n"


@dataclass(frozen=True)
class Recipe:
    """A recipe for a request with a part, ``unit``, that is repeated in its body or its head.

    In ``unit``, "{n}" is the number of the repetition, "{r}" is a small random number, "{i}" is a
    number that is new in every request, and "{s}" is the id of a service on the full floor. With
    ``line``, the body consists of lines of at most this many bytes, each of which has ``before``,
    as many units as fit, and ``after``. The first request has roughly ``first`` bytes.
    """

    head: str
    before: str
    unit: str
    after: str = ""
    gzip: bool = False
    in_head: bool = False
    line: int = 0
    first: int = 16 << 10

    @property
    def most(self) -> int:
        """The size of the largest request, in bytes."""
        return MOST_HEAD_BYTES if self.in_head else MOST_BYTES

    def make(self, size: int, chance: random.Random) -> bytes:
        """Return a request with roughly ``size`` bytes."""
        line = min(size, self.line or size)
        text = b"\n".join(self._part(line, chance) for _ in range(max(1, size // line)))
        if self.in_head:
            return self.head.encode() + text + b"\r\n\r\n"
        head = self.head + ("Content-Encoding: gzip\r\n" if self.gzip else "")
        body = gzip.compress(text, 1) if self.gzip else text
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _part(self, size: int, chance: random.Random) -> bytes:
        start = chance.randrange(10**9)
        before = _bytes(self.before.replace("{i}", str(start)))
        after = _bytes(self.after)
        room = size - len(before) - len(after)
        if "{" not in self.unit:
            unit = _bytes(self.unit)
            return before + unit * max(1, room // max(1, len(unit))) + after
        units: list[bytes] = []
        while room > 0 or not units:
            number = len(units)
            text = self.unit.replace("{n}", str(number)).replace("{i}", str(start + number))
            text = text.replace("{s}", str(FIRST_SERVICE + number % SERVICES))
            units.append(_bytes(text.replace("{r}", str(chance.randrange(8)))))
            room -= len(units[-1])
        return before + b"".join(units) + after


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _event(kind: str, data: str, extra: str = "") -> str:
    return (
        '{"specversion":"1.0","id":"{i}","source":"s{r}","type":"'
        + kind
        + '"'
        + extra
        + ',"data":{'
        + data
        + "}}\n"
    )


_CALL = '"transactionId":7,"sessionId":"one"'
_ANY_CALL = '"transactionId":{n},"sessionId":"s{i}"'
SESSION = "{session}"
_FEED = f"POST /realtime/event/feed HTTP/1.1\r\nHost: x\r\nLV-Session: {SESSION}\r\n"
_STATISTICS = _FEED.replace("event/feed", "service/stats")
_CHUNKED = "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

EVENT = _event("agent.state", '"agent":"n{i}","eventType":"LOGON"')

SEEDS: tuple[Recipe, ...] = (
    Recipe(LINES, "", _event("call.queue", f'{_CALL},"service":"q{{n}}"')),
    Recipe(LINES, "", _event("call.queue", f'{_CALL},"service":3805{{r}}')),
    Recipe(LINES, "", _event("call.start", f'{_ANY_CALL},"service":1,"direction":"INBOUND"')),
    Recipe(LINES, "", _event("call.end", _CALL)),
    Recipe(LINES, "", _event("call.disposition", f'{_CALL},"termCode":"c{{n}}"')),
    Recipe(LINES, "", _event("call.answer", f'{_CALL},"agent":"a{{n}}"')),
    Recipe(LINES, "", _event("call.leave", f'{_CALL},"reason":"KEY"')),
    Recipe(LINES, "", _event("agent.state", '"agent":"a{r}","eventType":"READY","service":1')),
    Recipe(LINES, "", _event("agent.state", '"agent":"n{i}","eventType":"LOGON","service":"v{n}"')),
    Recipe(LINES, "", _event("agent.missed", f'"agent":"a{{r}}",{_CALL},"reason":"BUSY"')),
    Recipe(LINES, "", _event("campaign.update", '"campaign":"c{n}","timezones":{"ET":{n}}')),
    Recipe(LINES, "", _event("sms.attempt", '"service":"s{n}","eventType":"Attempt"')),
    Recipe(LINES, "", "{\n", gzip=True),
    Recipe(LINES, "", "\n", gzip=True),
    Recipe(LINES, "", 'x"services":[1,2,3],', gzip=True),
    Recipe(LINES, "", 'xag"x"ta[texxx', gzip=True),
    Recipe(LINES, '{"id":"', "\\u0041", '"}'),
    Recipe(_BATCH, "[1", ",1", "]", gzip=True),
    Recipe(_BATCH, "[", "[", "]" * 10, gzip=True),
    Recipe(_BATCH, '[{"id":', "9", "}]"),
    Recipe(_LOGIN, '{"clientName":"', "\\\\", '"}'),
    Recipe(_LOGIN, '{"userName":{', '"a{n}":1,', '"b":1}}'),
    Recipe(_FEED, '{"filter":{"service":[{"id":1}', ',{"id":{n}}', "]}}"),
    Recipe(_FEED, '{"token":"', "0", '"}'),
    Recipe(
        _FEED.replace("event/feed", "service/stats"),
        '{"filter":{"callCenter":[',
        '{"id":1},',
        "]}}",
    ),
    Recipe(_FEED.replace("event/feed", "service/agents/status"), '{"stateChangedAfter":', "9", "}"),
    Recipe("GET /healthz HTTP/1.1\r\nHost: x\r\n", "Cookie: LV-Session=", "\\", in_head=True),
    Recipe("GET /healthz HTTP/1.1\r\nHost: x\r\n", "Accept: ", "a/b;q=0.{n},", in_head=True),
    Recipe("GET /healthz HTTP/1.1\r\nHost: x\r\n", "", "a{n}: x\r\n", in_head=True),
    Recipe("GET /", "", "%41", " HTTP/1.1\r\nHost: x\r\n", in_head=True),
    Recipe(
        "GET /realtime/event/feed/sse?filter=", "", "%5B", " HTTP/1.1\r\nHost: x\r\n", in_head=True
    ),
    Recipe("GET /healthz?", "", "a{n}=b&", " HTTP/1.1\r\nHost: x\r\n", in_head=True),
    *(
        Recipe("GET /healthz HTTP/1.1\r\nHost: x\r\n", name, unit, in_head=True)
        for name, unit in (
            ("", "a:\r\n"),
            ("", "Cookie: a=b\r\n"),
            ("Cookie: ", "LV-Session=a;"),
            ("Accept-Encoding: ", ","),
            ("If-None-Match: ", 'W/"x" ,'),
            ("Range: bytes=", "0-1,"),
            ("X-Forwarded-For: ", "192.0.2.1,"),
            ("Authorization: ", "Bearer a "),
        )
    ),
    Recipe("GET /wallboard HTTP/1.1\r\nHost: x\r\n", "If-None-Match: ", '"x",', in_head=True),
    Recipe("GET /realtime/v", "", "1.", "/x HTTP/1.1\r\nHost: x\r\n", in_head=True),
    Recipe("GET /", "", "%F0%9F%98%80", " HTTP/1.1\r\nHost: x\r\n", in_head=True),
    Recipe("", "", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", in_head=True),
    Recipe("", "", "HEAD /wallboard HTTP/1.1\r\nHost: x\r\nAccept: a/b,c/d\r\n\r\n", in_head=True),
    Recipe(
        "",
        "",
        "POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
        in_head=True,
    ),
    Recipe(
        "",
        "",
        "POST /x HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        in_head=True,
    ),
    Recipe(
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
        "1\r\nx\r\n",
        in_head=True,
    ),
    Recipe(
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "",
        "a: b\r\n",
        in_head=True,
    ),
)

TOKENS_OF_JSON = (
    "[", "]", "{", "}", '"', "\\", "\\u0000", "\\ud800", "9", "-1", "1e9", "0.1", "null", "true",
    '"x"', ",", ":", " ", "\n", "\r", "\t", "é", "\U0001f600", "{n}", "{i}", "{r}",
    '"time":"2026-11-23T',
    "call.start", "call.queue", "call.answer", "call.end", "call.update", "call.leave",
    "agent.state", "READY", "LOGON", "LOGOFF", "IN_CALL", "WRAP_UP", "NOT_READY", "DIALING",
    "AGENT_TRANSFER_INITIATED_AGENT2", '"services":[1,2,3],', "%00", "%", ";", "=", ", ",
    "a: b\r\n",
)  # fmt: skip


def mutated(recipe: Recipe, chance: random.Random) -> Recipe:
    """Return a copy in which one property of the repetition has changed at random."""
    unit = recipe.unit
    at = chance.randrange(len(unit) + 1)
    match chance.randrange(7):
        case 0:
            unit = unit[:at] + chance.choice(TOKENS_OF_JSON) + unit[at:]
        case 1:
            unit = unit[:at] + unit[at + chance.randrange(1, 6) :]
        case 2:
            unit *= 2
        case 3:
            other = chance.choice(SEEDS).unit
            unit = chance.choice((unit + other, other + unit))
        case 4:
            words = [word for word in TOKENS_OF_JSON if len(word) > 4 and word in unit]
            new = chance.choice([word for word in TOKENS_OF_JSON if len(word) > 4])
            unit = unit.replace(chance.choice(words), new) if words else unit + new
        case 5:
            unit = unit.replace("{n}", "{r}") if "{n}" in unit else unit.replace("{r}", "{n}")
        case _:
            return replace(recipe, gzip=not recipe.gzip)
    return replace(recipe, unit=(unit or "x")[:2_000])
