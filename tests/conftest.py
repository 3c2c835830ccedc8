"""Fixtures and settings for the tests of all packages."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.nats_servers import NatsServers
from tests.search import tries

# CI repeats the same examples, so that a failure is caused by the change. Local runs look for new
# examples.
CI = "CI" in os.environ
settings.register_profile(
    "floorcast",
    deadline=None,  # slow machines must not fail
    derandomize=CI,
    max_examples=tries(100),
)
settings.load_profile("floorcast")

MEMORY = Path("/dev/shm")
ROOM = 2 << 30  # bytes; a run uses a part of this, but some containers have almost none


def write_into_memory() -> None:
    """Put temporary files in memory if the machine has room for them there.

    Tests kill processes but never the machine, so flushing to a real disk would test nothing more.
    ``TMPDIR`` selects another folder.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)  # for child processes, too
        tempfile.tempdir = None  # pytest has already cached it


write_into_memory()

# A shell that runs pytest in the background makes it ignore SIGINT, and children would inherit
# that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Distribute the long tests first, so that no worker is left with one at the end.

    Workers start with equal parts and take tests from each other's ends. Tests that share three
    NATS servers stay together, so that the servers start once.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    heads: list[list[pytest.Item]] = [[] for _ in range(count)]
    rest: list[pytest.Item] = []
    for item in items:
        if "three_nats_servers" in getattr(item, "fixturenames", ()):
            heads[0].append(item)
        elif item.get_closest_marker("long"):
            min(heads[1:] or heads, key=len).append(item)
        else:
            rest.append(item)
    ordered: list[pytest.Item] = []
    for number, head in enumerate(heads):
        share = (len(items) - len(ordered)) // (count - number)
        ordered += head
        ordered += rest[: max(0, share - len(head))]
        del rest[: max(0, share - len(head))]
    items[:] = ordered


@pytest.fixture(autouse=True)
def reset_logging() -> Iterator[None]:
    """Reset the logging that a command has configured for the process, before the next test."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        for name, module in list(sys.modules.items()):
            if name.startswith("floorcast."):
                log = vars(module).get("_log", structlog.get_logger())
                vars(log).pop("bind", None)  # structlog caches loggers here


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """One NATS server. Tests must not kill it."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 1)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def three_nats_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """Three NATS servers that form a cluster, for ``nats_cluster``."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 3, wired=True)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture
def nats_cluster(three_nats_servers: NatsServers) -> NatsServers:
    """The same three servers, all running, whatever the previous test did to them."""
    three_nats_servers.mend()
    return three_nats_servers.start()
