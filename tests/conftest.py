"""Fixtures and settings for the tests of all packages."""

from __future__ import annotations

import gc
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

# CI always uses the same examples, so that a change's failure is caused by the change. Local runs
# try new examples.
CI = "CI" in os.environ
settings.register_profile(
    "floorcast",
    deadline=None,  # tests must not fail on slow machines
    derandomize=CI,
    max_examples=tries(100),
)
settings.load_profile("floorcast")

MEMORY = Path("/dev/shm")
ROOM = 2 << 30  # bytes; a run uses less, but some containers have almost none


def write_into_memory() -> None:
    """Put temporary files in memory if the machine has enough memory for them.

    Tests kill processes but never the machine, so a real disk would not make a difference. If
    ``TMPDIR`` is set, temporary files stay in that folder.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)  # also for child processes
        tempfile.tempdir = None  # pytest has already cached it


write_into_memory()

# If a shell runs pytest in the background, pytest ignores SIGINT, and its child processes would
# ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Pause the garbage collector while tests are collected, and exclude them from it afterwards.

    Modules and tests are 700,000 objects, which live until the end. Each full collection would
    visit all of them.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first in each worker's part, so that no worker ends with a long test.

    Workers begin with equal parts, and later take tests from the ends of each other's parts. Tests
    that share three NATS servers stay together, so that the servers are started only once. So do
    the long tests of a file, which often share a server.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    heads: list[list[pytest.Item]] = [[] for _ in range(count)]
    head_of: dict[Path, list[pytest.Item]] = {}
    rest: list[pytest.Item] = []
    for item in items:
        if "three_nats_servers" in getattr(item, "fixturenames", ()):
            heads[0].append(item)
        elif item.get_closest_marker("long"):
            if item.path not in head_of:
                head_of[item.path] = min(heads[1:] or heads, key=len)
            head_of[item.path].append(item)
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
    """After each test, reset the logging, which a command may have configured for the process."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        for name, module in list(sys.modules.items()):
            if name.startswith("floorcast."):
                log = vars(module).get("_log", structlog.get_logger())
                vars(log).pop("bind", None)  # structlog caches loggers here


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """Run one NATS server, which tests share and must not kill."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 1)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def three_nats_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """Run three NATS servers that form a cluster. Tests that stop them use ``nats_cluster``."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 3, wired=True)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture
def nats_cluster(three_nats_servers: NatsServers) -> NatsServers:
    """Return the three servers, all connected and running, whatever the previous test did."""
    three_nats_servers.mend()
    return three_nats_servers.start()
