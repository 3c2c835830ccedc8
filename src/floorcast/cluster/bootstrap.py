"""A node that is new, or was away for too long, begins from a copy of another node's data."""

from __future__ import annotations

import asyncio
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg

from floorcast.cluster.link import NatsLink
from floorcast.cluster.peers import PIECE, Offer, Peer, Wanted, ask_peers, subject_of
from floorcast.log import folder_copy
from floorcast.log.folder_copy import held
from floorcast.log.log_file import Follows, StreamPosition
from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.files import remove

__all__ = ["ensure_copy"]

LOOK: Final = 0.2  # seconds between two looks whether the other node has made its copy
AT_ONCE: Final = 4  # pieces under way
TELL: Final = 5.0  # seconds between two lines of progress in the log

_log = structlog.stdlib.get_logger(__name__)


async def ensure_copy(link: NatsLink, folder: Path, follows: Follows) -> None:
    """See to it that the streams reach back to what the folder has of them.

    Raises SettingError for a folder of another log, Unavailable when a copy is needed and no
    other node can give one now.
    """
    have = held(folder)
    if have is None and await asyncio.to_thread((folder / "log.db").exists):
        raise SettingError(  # and nothing of it is touched: it may be all that there is
            f"data folder {folder} holds an embedded log: move it into the cluster with "
            "'floorcast cluster import', or give this node another folder with --data"
        )
    if have is not None and have.follows.identity != follows.identity:
        raise SettingError(
            f"data folder {folder} is a copy of another cluster's log: give this node another "
            "folder with --data"
        )
    usable = have is not None and have.follows.covers(follows)
    stream_positions = have.stream_positions if have is not None and usable else {}
    states = await _states(link, follows)
    reaches = all(
        state["first_seq"] <= _reached(stream_positions, name) + 1 for name, state in states.items()
    )
    if reaches and (usable or not any(state["last_seq"] for state in states.values())):
        return
    peers = [peer for peer in await ask_peers(link) if _suits(peer, follows)]
    peers.sort(key=lambda peer: sum(each.seq for each in peer.following))
    while peers:
        peer = peers.pop()
        try:
            await _take(link, folder, peer)
        except Unavailable as error:
            _log.warning("copy_not_taken", node=peer.name, why=error.message)
        else:
            return
    if not reaches:
        raise Unavailable(
            "the cluster's streams no longer begin where the log does, and no node that is ready "
            "has a copy of what came before"
        )
    for name in folder_copy.FILES if have is not None else ():
        remove(folder / name)


def _reached(positions: Mapping[str, StreamPosition], stream: str) -> int:
    return positions[stream].seq if stream in positions else 0


async def _states(link: NatsLink, follows: Follows) -> dict[str, dict[str, int]]:
    return {name: (await link.api(f"STREAM.INFO.{name}"))["state"] for name in follows.streams}


def _suits(peer: Peer, follows: Follows) -> bool:
    theirs = Follows(peer.log, [each.stream for each in peer.following], peer.clients)
    # the mirror's arrays are of the machine's byte order
    return peer.ready and theirs.covers(follows) and peer.byte_order == sys.byteorder


async def _take(link: NatsLink, folder: Path, peer: Peer) -> None:
    _log.info("copy_begins", node=peer.name)
    into = folder / "recorded_at"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    reader = uuid.uuid4().bytes
    subject = subject_of(peer.id, "copy")
    while (files := _offered(await link.request(subject, reader))) is None:  # noqa: ASYNC110 — it is there
        await asyncio.sleep(LOOK)
    progress = _Progress(sum(files.values()))
    for name, size in files.items():
        await _fetch(link, peer, into / name, size, progress)
    await link.request(subject_of(peer.id, "done"), reader)
    folder_copy.install(into, folder)
    _log.info("copy_taken", node=peer.name, bytes=progress.size)


def _offered(answer: Msg) -> dict[str, int] | None:
    offer = msgspec.json.decode(answer.data, type=Offer)
    if offer.error:
        raise Unavailable(offer.error)
    return offer.files


class _Progress:
    """How much of a copy is here; tells the log now and then."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._done = 0
        self._told = 0.0

    def add(self, count: int) -> None:
        self._done += count
        now = asyncio.get_running_loop().time()
        if now - self._told >= TELL:
            self._told = now
            _log.info("copy_goes_on", bytes=self._done, of=self.size)


async def _fetch(link: NatsLink, peer: Peer, path: Path, size: int, progress: _Progress) -> None:
    async def piece(offset: int) -> bytes:
        wanted = msgspec.json.encode(Wanted(path.name, offset))
        return (await link.request(subject_of(peer.id, "piece"), wanted)).data

    got = 0
    with path.open("wb") as file:
        for start in range(0, size, PIECE * AT_ONCE):
            offsets = range(start, min(start + PIECE * AT_ONCE, size), PIECE)
            for data in await asyncio.gather(*map(piece, offsets)):
                got += file.write(data)
                progress.add(len(data))
    if got != size:
        raise Unavailable(f"{peer.name} did not give all of {path.name}")
