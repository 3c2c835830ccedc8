"""The transport: uvicorn with uvloop and httptools, and with floorcast's own shutdown.

uvicorn lets the signal end the process. floorcast also ends the streams, and exits with 0.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from typing import Any, Literal, cast

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from floorcast.auth.networks import is_loopback
from floorcast.config.settings import Settings
from floorcast.http.app import Api, StartupApp
from floorcast.http.routes import ROUTES
from floorcast.http.routing import Route
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import SettingError
from floorcast.server.connection_limits import (
    ConnectionLimits,
    ConnectionTuning,
    Deadlines,
    connection_capacity,
)
from floorcast.server.connection_takeover import StreamPoller, limit_by_address
from floorcast.server.node import Node
from floorcast.server.signals import handle_hangup, ignore_hangup, ignoring_signals_at_exit
from floorcast.server.tls import CHECK_SECONDS, Certificate
from floorcast.server.uvicorn_internals import (
    ServerConnection,
    SharedServerState,
    UvicornServer,
    tolerate_disconnects,
)
from floorcast.server.wallboard_routes import NO_VALUES, page_routes

__all__ = ["serve", "tune_garbage_collector"]

_log = structlog.stdlib.get_logger(__name__)

BACKLOG = 4096  # connections waiting to be accepted: after a restart, many reconnect at once
HSTS_SECONDS = 365 * 24 * 3600  # how long browsers use only TLS
SHUTDOWN_SECONDS = 20  # seconds for requests in progress to finish when the server stops

OnReady = Callable[[str], None]


def serve(
    settings: Settings,
    on_ready: OnReady,
    *,
    accept_loss: bool = False,
    before_stop: Callable[[], None] | None = None,
    sign_in: Mapping[str, str] = NO_VALUES,
) -> None:
    """Run a server until SIGTERM or SIGINT. Calls ``on_ready`` with its address once it is ready.

    SIGHUP reloads the certificate. If the server's terminal is closed, SIGHUP stops the server.

    If the server was ready, ``before_stop`` runs in a thread before it stops. ``accept_loss``
    allows a start with a log that has lost entries. ``sign_in`` has the initial values of the
    wallboard's sign-in form, which are public. Raises SettingError if the site file, the data
    folder or the address cannot be used, and Unavailable if the log cannot be read or written at
    the start.
    """
    ignore_hangup()
    os.umask(0o077)  # files with callers' data are readable only by the owner
    certificate = Certificate.from_settings(settings)
    tune_garbage_collector()
    _shorten_switch_interval()
    _raise_open_files_limit()
    with (
        ignoring_signals_at_exit() as finish,
        _bind(settings.host, settings.port) as sock,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        node = Node(settings, accept_loss=accept_loss)
        pages = page_routes(sign_in)
        runner.run(_serve(node, settings, sock, certificate, on_ready, before_stop, pages))
        finish()


async def _serve(
    node: Node,
    settings: Settings,
    sock: socket.socket,
    certificate: Certificate | None,
    on_ready: OnReady,
    before_stop: Callable[[], None] | None,
    pages: Sequence[Route],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    handle_hangup(_log_nothing_to_reload if certificate is None else certificate.reload, stop.set)
    startup = StartupApp()
    async with AsyncExitStack() as stack:
        shared = _server_state(settings, stack, certificate)
        application = limit_by_address(startup, shared.limits)
        config = _transport_config(
            application, settings.trusted_proxies, tls=certificate is not None
        )
        transport = UvicornServer(config, shared, shared.deadlines.tuning.sweep)

        async def start() -> None:
            await stack.enter_async_context(node)
            startup.start(Api(node.server, (*ROUTES, *pages)))
            shared.on_memory_shortage = node.server.memory.record_failure
            node.server.metrics.watch_connections(
                lambda: (shared.limits.total, shared.notices.counts)
            )
            await _start(node, sock, on_ready, "http" if certificate is None else "https")
            _log_warnings(node, settings)

        serving = asyncio.create_task(transport.serve([sock]))
        starting = asyncio.create_task(start())
        stopping = asyncio.create_task(stop.wait())
        if certificate is not None:
            watching = asyncio.create_task(_watch_certificate(certificate))
            stack.callback(watching.cancel)
        try:
            await _until_stopped(serving, starting, stopping, before_stop)
        finally:
            stopping.cancel()
            await cancel_all([starting])
            transport.stop()
            startup.release()
            if startup.is_started:
                node.release()
            await serving
            if startup.is_started:
                await node.wait_for_streams(SHUTDOWN_SECONDS)


async def _until_stopped(
    serving: asyncio.Task[None],
    starting: asyncio.Task[None],
    stopping: asyncio.Task[Literal[True]],
    before_stop: Callable[[], None] | None,
) -> None:
    await asyncio.wait({serving, starting, stopping}, return_when="FIRST_COMPLETED")
    if starting.done():
        starting.result()
        await asyncio.wait({serving, stopping}, return_when="FIRST_COMPLETED")
        if before_stop is not None:
            await asyncio.to_thread(before_stop)


async def _watch_certificate(certificate: Certificate) -> None:
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        certificate.reload_if_changed()


def _log_nothing_to_reload() -> None:
    _log.info(
        "nothing_to_reload",
        why="SIGHUP reloads only the certificate, and there is none (for changes to the site, run"
        " floorcast site apply; for changes to the settings, restart)",
    )


def _log_warnings(node: Node, settings: Settings) -> None:
    _warn_if_empty(node)
    if not settings.tls_cert:
        _warn_if_open(settings)


def _warn_if_empty(node: Node) -> None:
    """Log what to do if the site has no client, because logins and events are then rejected."""
    if not node.server.site.clients:
        _log.warning(
            "no_client",
            why="there is no client yet, so all logins and events are rejected: declare one in a "
            "site file and run floorcast site apply FILE"
            " (no restart is needed; floorcast demo runs an example)",
        )


def _warn_if_open(settings: Settings) -> None:
    """Warn that passwords, keys and phone numbers cross the network unencrypted."""
    if settings.trusted_proxies or is_loopback(settings.host):
        return
    _log.warning(
        "not_encrypted",
        host=settings.host,
        why="passwords, keys and phone numbers cross the network unencrypted: set tls_cert and "
        "tls_key, or use a proxy with TLS and name it in trusted_proxies",
    )


def _server_state(
    settings: Settings, stack: AsyncExitStack, certificate: Certificate | None
) -> SharedServerState:
    tuning = ConnectionTuning(
        head=settings.head_timeout,
        body=settings.body_timeout,
        answer=settings.answer_timeout,
        idle=settings.idle_timeout,
    )
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return SharedServerState(
        stack.enter_context(closing(StreamPoller())) if sys.platform == "linux" else None,
        ConnectionLimits(
            connection_capacity(descriptors), settings.max_connections, settings.trusted_proxies
        ),
        Deadlines(tuning, asyncio.get_running_loop().time),
        None if certificate is None else lambda: certificate.context,
    )


async def _start(node: Node, sock: socket.socket, on_ready: OnReady, scheme: str) -> None:
    await node.start()
    gc.freeze()
    host, port = sock.getsockname()[:2]
    on_ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")


def _transport_config(
    application: ASGIApp, trusted_proxies: Sequence[str], *, tls: bool
) -> uvicorn.Config:
    headers = [("x-content-type-options", "nosniff")]
    if tls:
        headers.append(("strict-transport-security", f"max-age={HSTS_SECONDS}"))
    return uvicorn.Config(
        # Starlette and uvicorn type it differently
        cast("Any", tolerate_disconnects(application)),
        http=ServerConnection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=headers,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label is empty or too long
        raise SettingError(
            f"cannot listen on {host} port {port}: {_reason(error)}; "
            "choose another address with --host and --port"
        ) from error


def _reason(error: OSError | UnicodeError) -> str:
    """Return the error's reason, without the address that ``socket.create_server`` appends."""
    if isinstance(error, UnicodeError):
        return "this is not a valid host name"
    return (error.strerror or str(error)).partition(" (while attempting")[0]


def tune_garbage_collector() -> None:
    """Make the garbage collector check mostly new objects.

    A floor is long-lived and has no cycles. With Python's default thresholds, the collector takes a
    third of the folding time. A check stops the event loop, and takes about 1 ms for the 2,000
    objects that can have been created since the last one.
    """
    gc.set_threshold(1_000, 1, 250_000)


def _shorten_switch_interval() -> None:
    """Let threads take the interpreter's lock after a tenth of a millisecond instead of five.

    A commit takes the lock on two threads in turn, and waits for it each time while another client
    keeps the loop busy.
    """
    sys.setswitchinterval(0.0001)


def _raise_open_files_limit() -> None:
    """Allow as many open files as the machine does. A shell usually allows only 1,024."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
