"""Events over HTTP: whose key it is, until the events are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from floorcast.auth.passwords import Hasher
from floorcast.kv.folder import open_kv
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from tests.real.nodes import Clock, House
from tests.real.sites import ACME, KEYS, SITE, event, ndjson

BODY = ndjson([event("call.queue", 1, transactionId=1, sessionId="s")])


def test_a_key_that_is_revoked_during_an_upload_takes_nothing(tmp_path: Path) -> None:
    """It counts when the events are stored, not only when the request begins."""
    house = House(tmp_path, Clock())
    other = SITE.replace(KEYS["ACME"], "another-key-for-testing")
    assert other != SITE

    async def upload() -> AsyncIterator[bytes]:
        yield BODY[:10]
        kv = open_kv(house.data)
        await apply(kv, parse(other), Hasher(memory_kib=8, passes=1))
        await kv.close()
        await house.node.server.site.refresh()
        yield BODY[10:]

    async def send() -> tuple[int, int]:
        headers = {
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        }
        answer = await house.http.post("/ingest/v1/events", content=upload(), headers=headers)
        return answer.status_code, answer.json()["code"]

    before = house.node.server.log.head(ACME).number
    assert house.run(send()) == (401, 300)
    entries = house.node.server.log.read(ACME, before, 10)
    assert [entry.kind for entry in entries if entry.kind != "site"] == []
    house.end()


def test_the_limits_are_those_of_the_site_at_the_moment(tmp_path: Path) -> None:
    """The default lets everything in; after a change of the site the next request is rejected."""
    house = House(tmp_path, Clock())
    before = 'name = "ACME"\n'
    limited = SITE.replace(before, before + "limits = {agents = 2, open_calls = 1}\n", 1)
    assert limited != SITE

    async def send(*events: dict[str, object]) -> tuple[int, dict[str, Any]]:
        headers = {
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        }
        answer = await house.http.post("/ingest/v1/events", content=ndjson(events), headers=headers)
        return answer.status_code, answer.json()

    async def limit() -> None:
        kv = open_kv(house.data)
        await apply(kv, parse(limited), Hasher(memory_kib=8, passes=1))
        await kv.close()
        await house.node.server.site.refresh()

    def state(number: int, agent: str) -> dict[str, object]:
        return event("agent.state", number, agent=agent, eventType="READY")

    assert house.run(send(state(1, "New")))[1]["accepted"] == 1
    house.run(limit())
    status, sent = house.run(send(state(2, "New"), state(3, "Newer"), state(4, "VKUMARK")))
    assert (status, sent["accepted"]) == (200, 2)
    assert [(one["index"], one["id"], one["code"]) for one in sent["rejected"]] == [(1, "3", 202)]
    status, sent = house.run(send(state(5, "Newest")))
    assert (status, sent["code"], sent["rejected"][0]["code"]) == (400, 202, 202)
    house.end()
