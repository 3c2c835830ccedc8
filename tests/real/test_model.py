"""Tests that compare a whole server with a list, under random requests, restarts and crashes."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs

from floorcast.feeds import blocks, feed
from floorcast.http.handlers import feeds as api_feeds
from floorcast.model import token as tokens
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.projection import runner
from floorcast.server import node
from floorcast.site.configuration import FeedName
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.server import AGENTS, EVENTS
from tests.real.sites import ACME, KEYS, event, ndjson
from tests.search import tries

HOUR = 3600
DAY = 24 * HOUR
LONGEST = 25.5 * HOUR  # seconds that an example may take; the log keeps entries for 26 hours

# --- events from sources -----------------------------------------------------------------------

SERVICES = st.sampled_from([38049, "Help", "38051", 77, "New line", "Sales"])
NAMED = st.sampled_from([393601, "SEBY", "somebody", 12])
CALLS = st.fixed_dictionaries(
    {"transactionId": st.integers(1, 5) | st.just("3"), "sessionId": st.sampled_from(["a", "b"])}
)
DIRECTIONS = st.sampled_from(["INBOUND", "OUTBOUND", "MANUAL"])
STATES = st.sampled_from(["LOGON", "READY", "IN_CALL", "WRAP_UP", "AGENT_HOLD", "LOGOFF"])


class Draft(NamedTuple):
    """An event without an id and a mark. ``ago`` is in seconds, or None if it has no time."""

    kind: str
    data: dict[str, Any]
    ago: int | None


def _with(call: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {**call, **more}


def _draft(kind: str, data: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Draft]:
    ago = st.none() | st.integers(-240, 3 * HOUR)
    return st.builds(Draft, st.just(kind), data, ago)


def _of_call(
    required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(_with, CALLS, st.fixed_dictionaries(required, optional=optional))


_MESSAGE = st.fixed_dictionaries({"service": SERVICES, "eventType": st.just("Attempt")})
DRAFTS = st.one_of(
    _draft("call.start", _of_call({"service": SERVICES, "direction": DIRECTIONS}, {})),
    _draft("call.queue", _of_call({}, {"service": SERVICES})),
    _draft("call.answer", _of_call({}, {"agent": NAMED})),
    _draft("call.end", _of_call({}, {"service": SERVICES, "agent": NAMED})),
    _draft("call.disposition", _of_call({"termCode": st.just("RPC")}, {"agent": NAMED})),
    _draft(
        "agent.state",
        st.fixed_dictionaries(
            {"agent": NAMED, "eventType": STATES},
            optional={"service": SERVICES, "call": CALLS},
        ),
    ),
    _draft("email.attempt", _MESSAGE),
    _draft("sms.attempt", _MESSAGE),
    _draft("campaign.update", st.fixed_dictionaries({"campaign": st.just("C")})),
)
BATCHES = st.builds(
    lambda drafts, times: drafts * times, st.lists(DRAFTS, max_size=8), st.integers(1, 8)
)
MARKS = {"email.attempt": "accountNumber", "sms.attempt": "accountNumber", "agent.state": "result"}
FED = {
    "agent.state": AGENTS,
    "call.start": EVENTS,
    "call.end": EVENTS,
    "call.disposition": EVENTS,
    "email.attempt": EVENTS,
    "sms.attempt": EVENTS,
}
FED_TO = {
    EVENTS: Draft("sms.attempt", {"service": 77, "eventType": "Attempt"}, None),
    AGENTS: Draft("agent.state", {"agent": 12, "eventType": "READY", "service": 77}, None),
}
REFUSED: list[dict[str, Any]] = [
    {},
    {"type": "call.queue", "id": "1", "source": "pbx"},
    event("call.end", 1, transactionId="x", sessionId="a"),
    event("call.lost", 1),
    event("call.queue", "", transactionId=1, sessionId="a"),
]

DERIVED = ("flushed", "old", "gone")

# --- requests from readers ----------------------------------------------------------------------

KINDS = st.sampled_from(["VOICE", "sms", "Email"])
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "interactionType": st.lists(KINDS.map(lambda kind: {"type": kind}), min_size=1, max_size=3),
        "service": st.lists(
            st.sampled_from([38049, 38050, "38051", 77, 1]).map(lambda n: {"id": n}),
            min_size=1,
            max_size=2,
        ),
        "callCenter": st.lists(
            st.sampled_from([1623, "1700", 1]).map(lambda n: {"id": n}), min_size=1, max_size=2
        ),
    },
)
Filter = dict[str, list[dict[str, Any]]]
_NAMES: dict[str, FeedName] = {EVENTS: "interaction", AGENTS: "agent"}
CENTERS = {38049: 1623, 38050: 1700}


def seen_by(wanted: Filter, user: str) -> Callable[[dict[str, Any]], bool]:
    """Return a function that tells whether a user sees an event through a filter."""

    def sees(one: dict[str, Any]) -> bool:
        if "agentId" in one and "seqNum" in one:
            center = CENTERS.get(one.get("agentServiceId", 0))
            return user != "limited" or center == 1623
        kinds = [value["type"].upper() for value in wanted.get("interactionType", [])]
        services = [int(value["id"]) for value in wanted.get("service", [])]
        centers = [int(value["id"]) for value in wanted.get("callCenter", [])]
        service, center = _number(one["serviceId"]), _number(one["callCenterId"])
        return (
            (not kinds or one["interactionType"].upper() in kinds)
            and (not services or service in services)
            and (not centers or center in centers)
            and (user != "limited" or center == 1623)
        )

    return sees


OF_CALL = {"callServiceId", "transactionId", "sessionId", "phoneNumber", "account", "campaignType"}


def shown_to(user: str, one: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the form in which a user sees it.

    If the user may not see the call center, the event has no call.
    """
    service = one.get("callServiceId")
    if user != "limited" or service is None or CENTERS.get(service) == 1623:
        return one
    return {name: said for name, said in one.items() if name not in OF_CALL}


def _number(printed: int | str | None) -> int | None:
    return None if printed is None else int(printed)


class Bookmark(NamedTuple):
    """A token, and the number of events in both feeds before the token."""

    token: str
    position: int


class ExpectedEvent(NamedTuple):
    """An event as it must appear in a feed."""

    path: str
    mark: str


# Limits are small, so that short examples reach them.
SMALL = (
    (blocks, "SEAL_EVENTS", 20),
    (feed, "SLICE_SECONDS", 2),
    (feed, "_HEADS", 2),
    (runner, "RELOAD_EVENTS", 8),
    (runner, "SLICE_SECONDS", 0),
    (node, "CHORE_SECONDS", 0.001),
    (api_feeds, "MIN_COUNT", 1),
    (feed, "POLL_SECONDS", 0.0),
)


class Floorcast(RuleBasedStateMachine):
    """Compares the server with a model.

    The model is ``order``, which has the acknowledged events in the order of the feeds. ``read``
    has the events that a reader without a filter has received by following the tokens.
    """

    keeps = True

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        for module, name, value in SMALL:
            self.patch.setattr(module, name, value)
        self.logged = self.stack.enter_context(capture_logs())
        self.folder = self.stack.enter_context(temporary_folder())
        self.clock = Clock()
        self.begun = self.clock()
        self.harness = NodeHarness(self.folder, self.clock, keeps=self.keeps, ring_bytes=20_000)
        self.stack.callback(self.harness.end)
        self.order: list[ExpectedEvent] = []
        self.read: dict[str, list[dict[str, Any]]] = {EVENTS: [], AGENTS: []}
        self.sent: list[list[dict[str, Any]]] = []
        self.known: set[tuple[str, str]] = set()
        self.number = 0
        self.saved: list[Path] = []
        self.sessions: dict[str, str] = {}
        self.logged_in = 0
        first = self._ask(EVENTS, {}).json()["token"]
        self.bookmarks = [Bookmark(first, 0)]
        self.ends = {EVENTS: first, AGENTS: first}

    def teardown(self) -> None:
        """Stop the server, and check that no error was logged."""
        self.stack.close()
        assert [one for one in self.logged if one["log_level"] in {"error", "critical"}] == []

    # --- sources ---------------------------------------------------------------------------

    @initialize(
        batches=st.lists(BATCHES, min_size=2, max_size=2),
        snapshot_every=st.sampled_from([10, 50, 100_000]),
    )
    def begin(self, batches: list[list[Draft]], snapshot_every: int) -> None:
        """Begin with the events of some concurrent requests."""
        self.patch.setattr(runner, "SNAPSHOT_EVENTS", snapshot_every)
        self.send_at_once(batches, twice=False)

    @rule(
        drafts=BATCHES,
        again=st.lists(st.integers(0, 10**6), max_size=5),
        refused=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(REFUSED)), max_size=2),
        packed=st.booleans(),
        batch_form=st.booleans(),
        source=st.sampled_from(["pbx", "dialer"]),
    )
    def send(
        self,
        drafts: list[Draft],
        again: list[int],
        refused: list[tuple[int, dict[str, Any]]],
        packed: bool,
        batch_form: bool,
        source: str,
    ) -> None:
        """Send new events together with known events and invalid events."""
        batch = [self._event(draft, source) for draft in drafts]
        known = [one for sent in self.sent for one in sent]
        for pick in again if known else ():
            batch.insert(pick % (len(batch) + 1), known[pick % len(known)])
        for position, one in refused:
            batch.insert(position % (len(batch) + 1), one)
        bad = [index for index, one in enumerate(batch) if one in REFUSED]
        good = [one for one in batch if one not in REFUSED]
        answer = self.harness.run(self._post(batch, packed=packed, batch_form=batch_form))
        assert answer.status_code == (200 if good or not batch else 400), answer.text
        fresh = self._acknowledged(good)
        verdicts = answer.json()
        assert verdicts["accepted"] == fresh
        assert verdicts["duplicates"] == len(good) - fresh
        assert [one["index"] for one in verdicts["rejected"]] == bad

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 10**6), times=st.integers(1, 3))
    def retry(self, pick: int, times: int) -> None:
        """Repeat a request several times concurrently. This must change nothing."""
        batch = self.sent[pick % len(self.sent)]

        async def at_once() -> list[httpx.Response]:
            return await asyncio.gather(*[self._post(batch) for _ in range(times)])

        for answer in self.harness.run(at_once()):
            assert answer.json() == {"accepted": 0, "duplicates": len(batch), "rejected": []}

    @rule(batches=st.lists(BATCHES, min_size=2, max_size=4), twice=st.booleans())
    def send_at_once(self, batches: list[list[Draft]], twice: bool) -> None:
        """Send from several sources concurrently.

        The events of one request stay together, but the requests may be in any order.
        """
        requests = [
            [self._event(draft, "pbx") for draft in [FED_TO[EVENTS], *drafts]] for drafts in batches
        ]

        async def at_once() -> list[httpx.Response]:
            return await asyncio.gather(
                *[self._post(batch) for batch in requests for _ in range(1 + twice)]
            )

        verdicts = [answer.json() for answer in self.harness.run(at_once())]
        total = sum(map(len, requests))
        assert sum(one["accepted"] for one in verdicts) == total
        assert sum(one["duplicates"] for one in verdicts) == total * twice
        events = _events(EVENTS, self._ask(EVENTS, {"token": self.ends[EVENTS]}).json())
        came = {one.get("accountNumber"): position for position, one in enumerate(events)}
        requests.sort(key=lambda batch: came[batch[0]["data"]["accountNumber"]])
        for batch in requests:
            self._acknowledged(batch)

    # --- time, restarts, crashes -------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0005, 1, 61, 11 * 60, HOUR, 3 * HOUR]))
    def wait(self, seconds: float) -> None:
        """Let time pass. Tokens may become too old, but no event leaves the log."""
        if (self.clock() - self.begun) / TICKS_PER_SECOND + seconds < LONGEST:
            self.clock.move(seconds)

    @precondition(lambda self: self.keeps)
    @rule()
    def restart(self) -> None:
        """Stop the server in the same way as SIGTERM would, and start it again."""
        self.harness.close()
        self._open_again()

    @precondition(lambda self: self.keeps)
    @rule(store=st.sampled_from(DERIVED), keys=st.sampled_from(DERIVED))
    def crash(self, store: str, keys: str) -> None:
        """Crash the server, and start it again with the files on disk.

        Derived data may be older or missing, because it is not flushed.
        """
        folder = self.harness.crash()
        saved = self.folder / f"saved{len(self.saved)}"
        shutil.copytree(folder, saved)
        for name, how in (("mirror.db", store), ("keys.db", keys)):
            for file in folder.glob(f"{name}*") if how != "flushed" else ():
                file.unlink()
            for file in self.saved[-1].glob(f"{name}*") if how == "old" and self.saved else ():
                shutil.copy(file, folder)
        self.saved.append(saved)
        self._open_again()

    # --- readers ---------------------------------------------------------------------------

    @rule(
        pick=st.integers(0, 10**6),
        path=st.sampled_from([EVENTS, AGENTS]),
        wanted=FILTERS,
        user=st.sampled_from(["sysadmin", "limited"]),
        count=st.sampled_from([1, 2, 7, 50, 1000]),
    )
    def follow(self, pick: int, path: str, wanted: Filter, user: str, count: int) -> None:
        """Read a feed from any token or eventId, and check that it has the events of the filter."""
        mark = self._bookmark(pick)
        body = {"token": mark.token, **_filter(path, wanted)}
        if self._is_old(mark.token):
            answer = self._ask(path, body, user)
            assert (answer.status_code, answer.json()["code"]) == (400, 202)
            assert "is more than 24 hours old" in answer.json()["message"]
            return
        sees = seen_by(wanted, user)
        positions = [position for position, item in enumerate(self.order) if item.path == path]
        shown = zip(positions, self.read[path], strict=True)
        expected = [
            (position, shown_to(user, one))
            for position, one in shown
            if position >= mark.position and sees(one)
        ]
        for start in range(0, min(len(expected), 12 * count) + 1, count):
            page = self._ask(path, body, user, count).json()
            piece = expected[start : start + count]
            assert _events(path, page) == [one for _, one in piece]
            body["token"] = page["token"]
            after = piece[-1][0] + 1 if len(piece) == count else len(self.order)
            self.bookmarks.append(Bookmark(page["token"], after))

    @rule(
        drafts=BATCHES,
        path=st.sampled_from([EVENTS, AGENTS]),
        wanted=FILTERS,
        user=st.sampled_from(["sysadmin", "limited"]),
    )
    def wait_for(self, drafts: list[Draft], path: str, wanted: Filter, user: str) -> None:
        """Check that the first event that a waiting reader may see wakes the reader.

        No other event may wake the reader.
        """
        batch = [self._event(draft, "pbx") for draft in [FED_TO[path], *drafts]]
        everything = {"token": self.ends[path]}
        body = {**everything, **_filter(path, wanted)}
        sees = seen_by(wanted, user)
        self._log_in()

        async def wait_and_send() -> list[dict[str, Any]]:
            the_feed = self.harness.node.server.floors[ACME].feeds[_NAMES[path]]
            reader = asyncio.create_task(
                self.harness.request("POST", path, self.sessions[user], json=body)
            )
            await until(lambda: the_feed.waiting)
            assert (await self._post(batch)).status_code == 200
            news = await self.harness.request(
                "POST", path, self.sessions["sysadmin"], json=everything
            )
            if any(map(sees, _events(path, news.json()))):
                return _events(path, (await reader).json())
            assert the_feed.waiting == 1
            reader.cancel()
            await asyncio.wait({reader})
            assert the_feed.waiting == 0
            return []

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feed, "POLL_SECONDS", 20.0)
            found = self.harness.run(wait_and_send())
        self._acknowledged(batch)
        before = len(self.read[path])
        self._catch_up()
        seen = [shown_to(user, one) for one in self.read[path][before:] if sees(one)]
        assert found == seen[: len(found)]
        assert bool(found) == bool(seen)

    @invariant()
    def feeds_equal_the_model(self) -> None:
        """Check that a reader that follows the tokens gets every event once and in order."""
        self._catch_up()

    # --- the model and its requests
    # -----------------------------------------------------------------

    def _event(self, draft: Draft, source: str) -> dict[str, Any]:
        self.number += 1
        data = dict(draft.data)
        if draft.kind in FED:
            data[MARKS.get(draft.kind, "account")] = f"m{self.number}"
        if draft.ago is not None:
            at = datetime.fromtimestamp(self.clock() / TICKS_PER_SECOND, UTC)
            data["time"] = (at - timedelta(seconds=draft.ago)).isoformat()
        return event(draft.kind, self.number, source=source, **data)

    def _acknowledged(self, batch: list[dict[str, Any]]) -> int:
        """Add the new events of an acknowledged request to the model. Returns their number."""
        fresh = 0
        for one in batch:
            key = one["source"], one["id"]
            if key in self.known:
                continue
            self.known.add(key)
            fresh += 1
            if (path := FED.get(one["type"])) is not None:
                mark = one["data"][MARKS.get(one["type"], "account")]
                self.order.append(ExpectedEvent(path, mark))
        if batch:
            self.sent.append(batch)
        return fresh

    def _catch_up(self) -> None:
        for path in (EVENTS, AGENTS):
            page = self._ask(path, {"token": self.ends[path]}).json()
            self.read[path] += _events(path, page)
            self.ends[path] = page["token"]
            marks = [item.mark for item in self.order if item.path == path]
            assert list(map(_mark, self.read[path])) == marks

    def _bookmark(self, pick: int) -> Bookmark:
        """Return a token that a reader received, or the eventId of an interaction event."""
        pick %= len(self.bookmarks) + len(self.read[EVENTS])
        if pick < len(self.bookmarks):
            return self.bookmarks[pick]
        pick -= len(self.bookmarks)
        positions = [position for position, item in enumerate(self.order) if item.path == EVENTS]
        return Bookmark(self.read[EVENTS][pick]["eventId"], positions[pick] + 1)

    def _is_old(self, token: str) -> bool:
        return self.clock() - tokens.decode(ACME, token).ticks > DAY * TICKS_PER_SECOND

    def _open_again(self) -> None:
        self.harness.open()
        if self.clock() - self.logged_in <= HOUR * TICKS_PER_SECOND:
            for session in self.sessions.values():
                assert self.harness.ask("GET", f"/session/validate/{session}").status_code == 204
        young = [mark for mark in self.bookmarks if not self._is_old(mark.token)]
        for path in (EVENTS, AGENTS) if young else ():
            first = min(young, key=lambda mark: mark.position)
            before = sum(item.path == path for item in self.order[: first.position])
            found: list[dict[str, Any]] = []
            body = {"token": first.token}
            while (page := self._ask(path, body).json()) and _events(path, page):
                found += _events(path, page)
                body["token"] = page["token"]
            assert found == self.read[path][before:]

    def _log_in(self) -> None:
        """Log in again if the sessions may have ended, as sessions on disk may be older."""
        if not self.sessions or self.clock() - self.logged_in > HOUR * TICKS_PER_SECOND:
            for session in self.sessions.values():
                self.harness.ask("DELETE", f"/session/logout/{session}")
            self.sessions = {user: self.harness.login(user) for user in ("sysadmin", "limited")}
            self.logged_in = self.clock()

    def _ask(
        self, path: str, body: dict[str, Any], user: str = "sysadmin", count: int = 1000
    ) -> httpx.Response:
        self._log_in()
        return self.harness.ask(
            "POST", path, self.sessions[user], json=body, params={"count": count}
        )

    async def _post(
        self, batch: list[dict[str, Any]], *, packed: bool = False, batch_form: bool = False
    ) -> httpx.Response:
        kind = "application/cloudevents-batch+json" if batch_form else "application/x-ndjson"
        content = json.dumps(batch).encode() if batch_form else ndjson(batch)
        headers = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": kind}
        if packed:
            headers["Content-Encoding"] = "gzip"
            content = gzip.compress(content)
        return await self.harness.request(
            "POST", "/ingest/v1/events", content=content, headers=headers
        )


class InMemoryFloorcast(Floorcast):
    """The same comparison for a server with ``:memory:``, which cannot be restarted."""

    keeps = False


def _events(path: str, page: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page["agentEvent" if path == AGENTS else "events"]
    return found


def _mark(one: dict[str, Any]) -> str:
    name = "result" if "seqNum" in one else "accountNumber" if "accountNumber" in one else "account"
    mark: str = one[name]
    return mark


def _filter(path: str, wanted: Filter) -> dict[str, Any]:
    return {"filter": wanted} if path == EVENTS and wanted else {}


@pytest.mark.long
@pytest.mark.parametrize(
    ("machine", "count"), [(Floorcast, 15), (InMemoryFloorcast, 10)], ids=["files", "memory"]
)
def test_no_event_is_lost_repeated_or_reordered(machine: type[Floorcast], count: int) -> None:
    """The feeds equal the list of events for any sources, readers, restarts and crashes."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=tries(count),
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
