"""Health, readiness and metrics."""

from __future__ import annotations

from tests.http.fed import call_start
from tests.http.servers import House, in_house


def test_health_and_readiness() -> None:
    """A starting server is alive but not ready."""

    async def work(house: House) -> None:
        for ready, status in ((True, 200), (False, 503)):
            house.server.readiness.ready = ready
            assert (await house.http.get("/healthz")).json() == {"status": "ok"}
            assert (await house.http.head("/healthz")).status_code == 200
            answer = await house.http.get("/readyz")
            assert answer.status_code == status
            assert (answer.json() == {"status": "ready"}) == ready
            assert ("retry-after" in answer.headers) == (not ready)

    in_house(work)


def test_metrics_name_nobody() -> None:
    """Requests are counted by route. Clients, users and sessions do not appear."""

    async def work(house: House) -> None:
        session = await house.login()
        token = (await house.http.post("/realtime/event/feed", headers=session)).json()["token"]
        house.publish([call_start] * 3)
        await house.http.post("/realtime/event/feed", headers=session, json={"token": token})
        answer = await house.http.get("/metrics")
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

    in_house(work)


def test_a_log_that_cannot_be_written_is_told_by_readiness() -> None:
    """``/readyz`` returns 503 and the reason. Reads still work."""

    async def work(house: House) -> None:
        house.log.healthy = False
        answer = await house.http.get("/readyz")
        assert answer.status_code == 503
        assert "cannot be written" in answer.json()["message"]
        house.log.healthy = True
        assert (await house.http.get("/readyz")).status_code == 200

    in_house(work)
