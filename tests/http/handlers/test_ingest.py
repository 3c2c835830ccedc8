"""Events over HTTP: whose key it is, until the events are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

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
