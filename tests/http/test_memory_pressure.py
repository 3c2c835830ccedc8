"""Tests that low memory is reported early, and for a while after a failure."""

from __future__ import annotations

import resource
from pathlib import Path

import httpx
import pytest

from floorcast.http import memory_pressure
from floorcast.http.app import Api
from floorcast.http.memory_pressure import MemoryUse, MemoryWatch, memory_use
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.http.routing import Route
from tests.http.servers import ApiHarness, run_with_harness

MIB = 1 << 20


def test_memory_is_low_when_a_twentieth_is_left() -> None:
    """Every memory limit counts. Without a limit, memory is never low."""
    used = [MemoryUse(94 * MIB, 100 * MIB, "RLIMIT_AS")]
    watch = MemoryWatch(lambda: used)
    assert watch.shortage() == ""
    used.append(MemoryUse(96 * MIB, 100 * MIB, "cgroup"))
    assert watch.shortage() == "memory is low: 96 of 100 MiB (cgroup) are in use"
    assert MemoryWatch(list).shortage() == ""


def test_memory_is_low_for_a_while_after_a_failure() -> None:
    """A moment later, memory may be available again."""
    now = 0.0
    watch = MemoryWatch(list, lambda: now)
    watch.record_failure()
    now = 29.0
    assert "a request failed because" in watch.shortage()
    now = 30.0
    assert watch.shortage() == ""


def test_the_limits_come_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are those of the address space and the control group.

    The page cache does not count.
    """
    process = tmp_path / "statm"
    process.write_text("1000 20 3 4 0 5 0\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (50 * MIB, 50 * MIB))
    page = resource.getpagesize()
    assert memory_use(process, tmp_path) == [MemoryUse(1000 * page, 50 * MIB, "RLIMIT_AS")]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 100\nfile 300\nfile_mapped 7\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_use(process, tmp_path) == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory_use(process, tmp_path) == [MemoryUse(600, 1000, "cgroup")]
    assert memory_use(tmp_path / "none", tmp_path / "none") == []
    assert isinstance(memory_pressure.memory_use(), list)


def test_a_request_without_memory_gets_503_and_affects_readiness() -> None:
    """Sources retry the request, and load balancers send no more requests for a while."""

    async def run_out_of_memory(_context: RequestContext) -> Response:
        raise MemoryError

    async def work(harness: ApiHarness) -> None:
        harness.server.memory = MemoryWatch(list)
        routes = (Route(method="GET", path="/starved", handler=run_out_of_memory, doc=""),)
        transport = httpx.ASGITransport(app=Api(harness.server, routes))
        assert (await harness.http.get("/readyz")).status_code == 200
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answer = await http.get("/starved")
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert int(answer.headers["retry-after"]) >= 1
        ready = await harness.http.get("/readyz")
        assert ready.status_code == 503
        assert "memory is low" in ready.json()["message"]

    run_with_harness(work)
