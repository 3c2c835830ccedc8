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
    EntryPart,
    EntryWanted,
    Offer,
    Peer,
    Wanted,
    subject_of,
)
from floorcast.log import folder_copy
from floorcast.log.port import Entry
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.sqlite.checksums import checksum

__all__ = ["PeerServer", "ask_peers"]

ANSWERS: Final = 1.0  # seconds to wait for the nodes' responses
NO_RESPONDERS: Final = "503"  # NATS's response if there is no subscriber
PIECE_BYTES: Final = 256 << 10  # of a copy, per response
UNREAD: Final = 60.0  # seconds after which an unread copy is deleted

Answer = Callable[[Msg], Awaitable[bytes]]

_log = structlog.stdlib.get_logger(__name__)


async def ask_peers(link: NatsLink, seconds: float = ANSWERS) -> list[Peer]:
    """Return the nodes that respond within ``seconds``, sorted by name.

    Returns at once if there are no nodes. Raises Unavailable.
    """
    await link.until_connected()
    client = link.client
    inbox = client.new_inbox()
    answers: list[Peer] = []
    nobody = asyncio.Event()

    async def take(message: Msg) -> None:
        if message.headers and message.headers.get("Status") == NO_RESPONDERS:
            nobody.set()
            return
        with suppress(msgspec.MsgspecError):  # a node of another release
            answers.append(msgspec.json.decode(message.data, type=Peer))

    try:
        subscription = await client.subscribe(inbox, cb=take)
        await client.publish(PEERS, b"", reply=inbox)
        with suppress(TimeoutError):
            await asyncio.wait_for(nobody.wait(), seconds)
        await subscription.unsubscribe()
    except nats.errors.Error as error:
        raise Unavailable(f"the nodes cannot be queried: {error}") from error
    return sorted(answers, key=lambda peer: (peer.name, peer.id))


class PeerServer:
    """Answers requests of other nodes.

    ``tell`` takes this node's id and returns its state. ``read`` takes a client and a number, and
    returns that entry of the log, or None if it does not exist.
    """

    def __init__(
        self,
        link: NatsLink,
        folder: Path,
        tell: Callable[[str], Peer],
        read: Callable[[int, int], Entry | None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self._link = link
        self._folder = folder
        self._copy = folder / "copy"
        self._tell = tell
        self._read = read
        self._client: Client | None = None
        self._making: asyncio.Task[dict[str, int]] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._readers: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start answering."""
        shutil.rmtree(self._copy, ignore_errors=True)
        self._link.on_connect(self._connected)
        await self._subscribe()

    async def close(self) -> None:
        """Stop answering."""
        await cancel_all([*self._tasks, *([self._making] if self._making else [])])
        self._forget()

    def _connected(self) -> None:
        task = asyncio.create_task(self._subscribe())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _subscribe(self) -> None:
        client = self._link.client
        if client is self._client:  # its subscriptions still exist
            return
        self._client = client
        answers: dict[str, Answer] = {
            PEERS: self._state,
            subject_of(self.id, "copy"): self._offer,
            subject_of(self.id, "piece"): self._piece,
            subject_of(self.id, "done"): self._done,
            subject_of(self.id, "entry"): self._entry,
        }
        for subject, answer in answers.items():
            await client.subscribe(subject, cb=partial(_respond, answer))

    async def _state(self, _: Msg) -> bytes:
        return msgspec.json.encode(self._tell(self.id))

    async def _offer(self, message: Msg) -> bytes:
        self._readers.add(message.data)
        if self._making is None:
            self._making = asyncio.create_task(
                asyncio.to_thread(folder_copy.back_up, self._folder, self._copy)
            )
        self._keep()
        if not self._making.done():
            return msgspec.json.encode(Offer())
        if (error := self._making.exception()) is not None:
            _log.warning("copy_failed", why=str(error))
            self._forget()
            return msgspec.json.encode(Offer(error=str(error)))
        return msgspec.json.encode(Offer(self._making.result()))

    async def _done(self, message: Msg) -> bytes:
        self._readers.discard(message.data)
        if not self._readers:  # the next reader gets a fresh copy
            self._forget()
        return b""

    async def _piece(self, message: Msg) -> bytes:
        wanted = msgspec.json.decode(message.data, type=Wanted)
        if wanted.file not in folder_copy.FILES:
            return b""
        self._keep()
        return await asyncio.to_thread(_read, self._copy / wanted.file, wanted.offset)

    async def _entry(self, message: Msg) -> bytes:
        wanted = msgspec.msgpack.decode(message.data, type=EntryWanted)
        entry = self._read(wanted.client, wanted.number)
        if entry is None:
            return b""
        part = EntryPart(
            entry.recorded_at,
            entry.kind,
            entry.count,
            len(entry.payload),
            checksum(entry.payload, entry.recorded_at, entry.count),
            entry.payload[wanted.offset : wanted.offset + PIECE_BYTES],
        )
        return msgspec.msgpack.encode(part)

    def _keep(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(UNREAD, self._forget)

    def _forget(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._making is None or self._making.done():
            self._making = None
            self._readers.clear()
            shutil.rmtree(self._copy, ignore_errors=True)
        else:
            self._keep()


async def _respond(answer: Answer, message: Msg) -> None:
    try:
        await message.respond(await answer(message))
    except Unavailable as error:  # respond with nothing, so that the requester asks another node
        _log.info("peer_not_answered", subject=message.subject, why=error.message)
        with suppress(nats.errors.Error):
            await message.respond(b"")
    except (nats.errors.Error, msgspec.MsgspecError, OSError) as error:
        _log.info("peer_not_answered", subject=message.subject, why=str(error))


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset, os.SEEK_SET)
        return file.read(PIECE_BYTES)
