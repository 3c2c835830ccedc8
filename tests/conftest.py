"""What tests of all packages share because it takes seconds to start, and what holds for all."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.nats_servers import NatsServers

settings.register_profile("floorcast", deadline=None)  # a slow machine is no fault of a test
settings.load_profile("floorcast")


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
    servers = NatsServers(tmp_path_factory.mktemp("nats"), 3)
    try:
        yield servers.start()
    finally:
        servers.stop()


@pytest.fixture
def nats_cluster(three_nats_servers: NatsServers) -> NatsServers:
    """The same three, all of them up again, whatever the test before did to them."""
    return three_nats_servers.start()
