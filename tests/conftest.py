"""What tests of all packages share because it takes seconds to start, and what holds for all."""

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

# CI repeats the same examples, so that a red run says something about the change; a run by hand
# looks for new ones
CI = "CI" in os.environ
settings.register_profile(
    "floorcast",
    deadline=None,  # machines may be slow
    derandomize=CI,
    max_examples=tries(100),
)
settings.load_profile("floorcast")

MEMORY = Path("/dev/shm")
ROOM = 2 << 30  # bytes; a run takes a part of this, but some containers have next to nothing


def write_into_memory() -> None:
    """Let what tests write lie in memory, where the machine has that and room in it.

    What is killed is processes, never the machine: what a flush to the disk costs is not looked
    at. ``TMPDIR`` says another place.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)  # for the processes that tests start, too
        tempfile.tempdir = None  # pytest has asked already


write_into_memory()

# a shell that runs pytest in the background has it ignore SIGINT, which children would inherit
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with long tests: one that begins last is waited for by all others.

    Workers get the tests in equal parts, and take from each other's ends what is left. Those that
    share three NATS servers stay together, so that they are started once.
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
def log_as_it_was() -> Iterator[None]:
    """A command sets the log of its process up for good; the next test is in that process."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        for name, module in list(sys.modules.items()):
            if name.startswith("floorcast."):
                log = vars(module).get("_log", structlog.get_logger())
                vars(log).pop("bind", None)  # where structlog keeps a logger once it was used


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """One NATS server, which nobody may kill."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 1)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def three_nats_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    """Three NATS servers that are a cluster; for ``nats_cluster``."""
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 3, wired=True)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture
def nats_cluster(three_nats_servers: NatsServers) -> NatsServers:
    """The same three, all of them up again, whatever the test before did to them."""
    three_nats_servers.mend()
    return three_nats_servers.start()
