"""Tests of health, readiness and metrics."""

from __future__ import annotations

from tests.http.feed_events import call_start
from tests.http.servers import ApiHarness, run_with_harness


def test_a_starting_server_is_alive_but_not_ready() -> None:
    """A starting server is alive but not ready."""

    async def work(harness: ApiHarness) -> None:
        for ready, status in ((True, 200), (False, 503)):
            harness.server.readiness.ready = ready
            assert (await harness.http.get("/healthz")).json() == {"status": "ok"}
            assert (await harness.http.head("/healthz")).status_code == 200
            answer = await harness.http.get("/readyz")
            assert answer.status_code == status
            assert (answer.json() == {"status": "ready"}) == ready
            assert ("retry-after" in answer.headers) == (not ready)

    run_with_harness(work)


def test_metrics_contain_no_names_or_secrets() -> None:
    """Requests are counted by route. Clients, users and sessions do not appear."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = (await harness.http.post("/realtime/event/feed", headers=session)).json()["token"]
        harness.publish([call_start] * 3)
        await harness.http.post("/realtime/event/feed", headers=session, json={"token": token})
        answer = await harness.http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.text
        requests = 'floorcast_requests_total{route="/realtime/event/feed",status="200"} 2.0'
        for line in (
            requests,
            "floorcast_feed_published_events_total 3.0",
            "floorcast_feed_given_events_total 3.0",
            "floorcast_feed_waiting_readers 0.0",
            "floorcast_ready 1.0",
        ):
            assert line in text
        for secret in (session["LV-Session"], "47415", "ACME", "sysadmin", token):
            assert secret not in text

    run_with_harness(work)


def test_an_unwritable_log_makes_the_server_not_ready() -> None:
    """``/readyz`` returns 503 and the reason. Reads still work."""

    async def work(harness: ApiHarness) -> None:
        harness.log.healthy = False
        answer = await harness.http.get("/readyz")
        assert answer.status_code == 503
        assert "cannot be written" in answer.json()["message"]
        harness.log.healthy = True
        assert (await harness.http.get("/readyz")).status_code == 200

    run_with_harness(work)
