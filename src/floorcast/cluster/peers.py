"""Requests between a cluster's nodes: for their state, a copy of their data, or an entry.

The requests go over NATS, so a node does not need the addresses of other nodes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from floorcast.cluster.link import NatsLink
from floorcast.cluster.peer_messages import (
    PEERS,
    CopyOffer,
    EntryPart,
    EntryRequest,
    Peer,
    PieceRequest,
    peer_subject,
)
from floorcast.log import folder_copy
from floorcast.log.port import Entry
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.sqlite.checksums import checksum

__all__ = ["PeerServer", "query_peers"]

RESPONSE_SECONDS: Final = 1.0  # seconds to wait for the nodes' responses
NO_RESPONDERS: Final = "503"  # NATS's response if there is no subscriber
PIECE_BYTES: Final = 256 << 10  # per response with a part of a copy
UNREAD_SECONDS: Final = 60.0  # seconds after which an unread copy is deleted

RequestHandler = Callable[[Msg], Awaitable[bytes]]

_log = structlog.stdlib.get_logger(__name__)


async def query_peers(link: NatsLink, seconds: float = RESPONSE_SECONDS) -> list[Peer]:
    """Return the nodes that respond within ``seconds``, sorted by name.

    Returns at once if there are no nodes. Raises Unavailable.
    """
    await link.wait_until_connected()
    client = link.client
    inbox = client.new_inbox()
    answers: list[Peer] = []
    no_responders = asyncio.Event()

    async def receive(message: Msg) -> None:
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            no_responders.set()
            return
        with suppress(msgspec.MsgspecError):  # a node of another release
            answers.append(msgspec.json.decode(message.data, type=Peer))

    try:
        subscription = await client.subscribe(inbox, cb=receive)
        await client.publish(PEERS, b"", reply=inbox)
        with suppress(TimeoutError):
            await asyncio.wait_for(no_responders.wait(), seconds)
        await subscription.unsubscribe()
    except nats.errors.Error as error:
        raise Unavailable(f"the nodes cannot be queried: {error}") from error
    return sorted(answers, key=lambda peer: (peer.name, peer.id))


class PeerServer:
    """Answers requests of other nodes.

    ``report`` takes this node's id and returns its state. ``read_entry`` takes a client and a
    number, and returns that entry of the log, or None if it does not exist.
    """

    def __init__(
        self,
        link: NatsLink,
        folder: Path,
        report: Callable[[str], Peer],
        read_entry: Callable[[int, int], Entry | None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self._link = link
        self._folder = folder
        self._copy = folder / "copy"
        self._report = report
        self._read_entry = read_entry
        self._client: Client | None = None
        self._copying: asyncio.Task[dict[str, int]] | None = None
        self._deletion: asyncio.TimerHandle | None = None
        self._readers: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start answering."""
        shutil.rmtree(self._copy, ignore_errors=True)
        self._link.on_connect(self._connected)
        await self._subscribe()

    async def close(self) -> None:
        """Stop answering."""
        await cancel_all([*self._tasks, *([self._copying] if self._copying else [])])
        self._delete_copy()

    def _connected(self) -> None:
        task = asyncio.create_task(self._subscribe())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _subscribe(self) -> None:
        client = self._link.client
        if client is self._client:  # its subscriptions still exist
            return
        self._client = client
        handlers: dict[str, RequestHandler] = {
            PEERS: self._state,
            peer_subject(self.id, "copy"): self._offer,
            peer_subject(self.id, "piece"): self._piece,
            peer_subject(self.id, "done"): self._done,
            peer_subject(self.id, "entry"): self._entry,
        }
        for subject, handler in handlers.items():
            await client.subscribe(subject, cb=partial(_respond, handler))

    async def _state(self, _: Msg) -> bytes:
        return msgspec.json.encode(self._report(self.id))

    async def _offer(self, message: Msg) -> bytes:
        self._readers.add(message.data)
        if self._copying is None:
            self._copying = asyncio.create_task(
                asyncio.to_thread(folder_copy.back_up, self._folder, self._copy)
            )
        self._postpone_deletion()
        if not self._copying.done():
            return msgspec.json.encode(CopyOffer())
        if (error := self._copying.exception()) is not None:
            _log.warning("copy_failed", why=str(error))
            self._delete_copy()
            return msgspec.json.encode(CopyOffer(error=str(error)))
        return msgspec.json.encode(CopyOffer(self._copying.result()))

    async def _done(self, message: Msg) -> bytes:
        self._readers.discard(message.data)
        if not self._readers:  # the next reader gets a fresh copy
            self._delete_copy()
        return b""

    async def _piece(self, message: Msg) -> bytes:
        request = msgspec.json.decode(message.data, type=PieceRequest)
        if request.file not in folder_copy.FILES:
            return b""
        self._postpone_deletion()
        return await asyncio.to_thread(_read_piece, self._copy / request.file, request.offset)

    async def _entry(self, message: Msg) -> bytes:
        request = msgspec.msgpack.decode(message.data, type=EntryRequest)
        entry = self._read_entry(request.client, request.number)
        if entry is None:
            return b""
        part = EntryPart(
            entry.recorded_at,
            entry.kind,
            entry.count,
            len(entry.payload),
            checksum(entry.payload, entry.recorded_at, entry.count),
            entry.payload[request.offset : request.offset + PIECE_BYTES],
        )
        return msgspec.msgpack.encode(part)

    def _postpone_deletion(self) -> None:
        if self._deletion is not None:
            self._deletion.cancel()
        self._deletion = asyncio.get_running_loop().call_later(UNREAD_SECONDS, self._delete_copy)

    def _delete_copy(self) -> None:
        if self._deletion is not None:
            self._deletion.cancel()
        if self._copying is None or self._copying.done():
            self._copying = None
            self._readers.clear()
            shutil.rmtree(self._copy, ignore_errors=True)
        else:
            self._postpone_deletion()


async def _respond(handler: RequestHandler, message: Msg) -> None:
    try:
        await message.respond(await handler(message))
    except Unavailable as error:  # respond with nothing, so that the requester asks another node
        _log.info("peer_not_answered", subject=message.subject, why=error.message)
        with suppress(nats.errors.Error):
            await message.respond(b"")
    except (nats.errors.Error, msgspec.MsgspecError, OSError) as error:
        _log.info("peer_not_answered", subject=message.subject, why=str(error))


def _read_piece(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset, os.SEEK_SET)
        return file.read(PIECE_BYTES)
