"""Tests of addresses and folders that the server refuses.

``tests/real`` tests a running server.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from floorcast.config.settings import Settings
from floorcast.model.errors import SettingError
from floorcast.server.uvicorn_server import serve, tune_garbage_collector


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Undo what a server changes in its process: the umask and the collector's thresholds."""
    threshold, mask = gc.get_threshold(), os.umask(0o077)
    yield
    gc.set_threshold(*threshold)
    os.umask(mask)


def must_not_be_called(address: str) -> None:
    """Fail the test if this callback is called."""
    raise AssertionError(address)


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_an_address_in_use_is_refused(
    tmp_path: Path, host: str, family: socket.AddressFamily
) -> None:
    """No file is opened, and the error names the address and the options to change."""
    try:
        other = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with other:
        port = other.getsockname()[1]
        with pytest.raises(
            SettingError, match=rf"^cannot listen on {host} port {port}: [\w ]+; .*--port"
        ):
            serve(Settings(data=tmp_path / "data", host=host, port=port), must_not_be_called)
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    """The error names the address."""
    with pytest.raises(SettingError, match=r"cannot listen on 192\.0\.2\.1"):
        serve(Settings(data=tmp_path / "data", host="192.0.2.1", port=0), must_not_be_called)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_is_no_name_is_refused(tmp_path: Path, host: str) -> None:
    """Python cannot encode an empty or a too long part of a name."""
    with pytest.raises(SettingError, match="this is not a valid host name"):
        serve(Settings(data=tmp_path / "data", host=host, port=0), must_not_be_called)


def test_an_unusable_folder_is_refused_and_the_port_released(tmp_path: Path) -> None:
    """Whatever is wrong with the folder, no port or file stays open."""
    file = tmp_path / "data"
    file.write_text("not a folder")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(SettingError, match="data folder"):
        serve(Settings(data=file, port=port), must_not_be_called)
    socket.create_server(("127.0.0.1", port)).close()


def test_the_collector_checks_few_objects_at_a_time() -> None:
    """No check of new objects, except for a full one, has more than 2,000 of them."""
    tune_garbage_collector()
    new, checks, full = gc.get_threshold()
    assert new * (checks + 1) <= 2_000
    assert checks * full >= 250_000  # the checks between two full ones, which take far longer
