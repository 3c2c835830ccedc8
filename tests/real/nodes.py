"""Runs a whole server in this process, with real parts, a test clock, and no sockets.

Requests enter the application as if they came from the transport. The server runs on the caller's
thread, and only during calls.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
from msgspec import structs

from floorcast.config.settings import Settings
from floorcast.http.app import Api
from floorcast.http.routes import ROUTES
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.server.node import Node
from tests.real.sites import CHEAP, KEYS, PASSWORD, SITE, TOKENS

__all__ = ["Clock", "NodeHarness", "temporary_folder", "until"]

T = TypeVar("T")

MEMORY = Path(":memory:")
LONGEST = 100.0  # seconds after which a call fails, so that no test hangs; a busy machine is slow


class Clock:
    """A clock in ticks that the test sets."""

    def __init__(self, ticks: int = 1_795_428_000 * TICKS_PER_SECOND) -> None:
        self.ticks = ticks

    def __call__(self) -> int:
        """Return the current time."""
        return self.ticks

    def move(self, seconds: float) -> None:
        """Advance the clock."""
        self.ticks += round(seconds * TICKS_PER_SECOND)


class NodeHarness:
    """A running node, whose site and data are in a folder.

    If nodes share a ``runner``, all of them run whenever one of them runs. Waits are measured with
    ``monotonic``, which is the same clock by default.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        keeps: bool = True,
        started: bool = True,
        site: str = SITE,
        runner: asyncio.Runner | None = None,
        monotonic: Clock | None = None,
        **settings: object,
    ) -> None:
        self.clock = clock
        self.monotonic = monotonic or clock
        self.data = folder / "data" if keeps else MEMORY
        self.site = folder / "site.toml"
        self.site.write_text(site)
        self._runner = runner or asyncio.Runner()
        self._shares_runner = runner is not None
        self._settings = settings
        self._copies = 0
        self.open(started=started)

    def open(self, *, started: bool = True) -> None:
        """Open the data folder, and start the node."""
        self.run(self._open(started=started))

    def close(self) -> None:
        """Stop the node in the same way as SIGTERM would."""
        self.run(self._close())

    def crash(self) -> Path:
        """Replace the data folder with a copy in the state in which a crash would leave it.

        The files are copied while they are open, so data in memory is lost. Returns the new folder.
        """
        folder = self.data.with_name(f"data{self._copies + 1}")
        self._copies += 1
        _copy_at_rest(self.data, folder)
        self.close()
        shutil.rmtree(self.data)
        self.data = folder
        return folder

    def end(self) -> None:
        """Stop the node, and close the runner if it is not shared."""
        try:
            self.close()
        finally:
            if not self._shares_runner:
                self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the node until ``work`` is done."""
        return self._runner.run(asyncio.wait_for(work, LONGEST))

    def ask(
        self,
        method: str,
        path: str,
        session: str = "",
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, str | int] = MappingProxyType({}),
    ) -> httpx.Response:
        """Send a request."""
        request = self.request(
            method, path, session, json=json, content=content, headers=headers, params=params
        )
        return self.run(request)

    async def request(
        self,
        method: str,
        path: str,
        session: str = "",
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, str | int] = MappingProxyType({}),
    ) -> httpx.Response:
        """Send a request from a coroutine, so that other work can run at the same time."""
        all_headers = {**({"LV-Session": session} if session else {}), **headers}
        return await self.http.request(
            method, path, json=json, content=content, headers=all_headers, params=params or None
        )

    def login(self, user: str = "sysadmin", client: str = "ACME") -> str:
        """Log in. Returns the session's id."""
        answer = self.ask(
            "POST",
            "/session/login",
            headers={"LV-Access": TOKENS[client]},
            json={"clientName": client, "userName": user, "password": PASSWORD},
        )
        assert answer.status_code == 200, answer.text
        session: str = answer.json()["sessionId"]
        return session

    def take(self, body: bytes, client: str = "ACME") -> dict[str, Any]:
        """Send events as NDJSON. Returns the verdicts."""
        answer = self.ask(
            "POST",
            "/ingest/v1/events",
            content=body,
            headers={
                "Authorization": f"Bearer {KEYS[client]}",
                "Content-Type": "application/x-ndjson",
            },
        )
        assert answer.status_code == 200, answer.text
        verdicts: dict[str, Any] = answer.json()
        return verdicts

    async def _open(self, *, started: bool) -> None:
        settings = structs.replace(Settings(data=self.data, site=self.site), **self._settings)
        self.node = Node(settings, self.clock, CHEAP, monotonic=self.monotonic)
        await self.node.__aenter__()
        transport = httpx.ASGITransport(
            app=Api(self.node.server, ROUTES), client=("192.0.2.1", 1234)
        )
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")
        if started:
            await self.node.start()

    async def _close(self) -> None:
        await self.http.aclose()
        await self.node.__aexit__(None, None, None)


async def until(condition: Callable[[], object]) -> int:
    """Yield to other tasks until a condition is true. Returns the number of turns."""
    for turns in range(100_000):
        if condition():
            return turns
        await asyncio.sleep(0)
    raise AssertionError("the condition never became true")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new empty folder, which exists until the end of the block."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _copy_at_rest(data: Path, folder: Path) -> None:
    """Copy a folder in the state of one moment.

    The files are read again until they do not change during the reading.
    """
    before: dict[str, bytes] = {}
    while (now := {file.name: file.read_bytes() for file in data.iterdir()}) != before:
        before = now
    folder.mkdir(mode=0o700)
    for name, content in now.items():
        (folder / name).write_bytes(content)
