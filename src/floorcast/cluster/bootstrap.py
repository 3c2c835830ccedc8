"""Gives a node that is new, or was away for too long, a copy of another node's data."""

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
from floorcast.cluster.peer_messages import CopyOffer, Peer, PieceRequest, peer_subject
from floorcast.cluster.peers import PIECE_BYTES, query_peers
from floorcast.cluster.quorum import has_quorum
from floorcast.cluster.stream_checks import Mismatch, check_message
from floorcast.cluster.streams import StreamState, parse_state
from floorcast.log import folder_copy
from floorcast.log.folder_copy import read_contents
from floorcast.log.log_file import FollowedLog, StreamPosition
from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.files import remove

__all__ = ["ensure_copy"]

CHECK_SECONDS: Final = 0.2  # between requests that ask whether the other node's copy is ready
CONCURRENT_PIECES: Final = 4
PROGRESS_SECONDS: Final = 5.0  # seconds between progress messages in the log

_log = structlog.stdlib.get_logger(__name__)


async def ensure_copy(link: NatsLink, folder: Path, followed_log: FollowedLog) -> None:
    """Prepare the folder so that it continues from the streams, copying another node if needed.

    Raises SettingError if the folder holds an embedded log or is ahead of the streams, and
    Unavailable if a copy is needed and no node can provide one now.
    """
    contents = read_contents(folder)
    if contents is None and await asyncio.to_thread((folder / "log.db").exists):
        raise SettingError(  # change nothing, because it may be the only copy
            f"data folder {folder} holds an embedded log: move it into the cluster with "
            "'floorcast cluster import', or give this node another folder with --data"
        )
    usable = contents is not None and contents.followed_log.covers(followed_log)
    positions = contents.stream_positions if contents is not None and usable else {}
    states = [await _state(link, name) for name in followed_log.streams]
    if await _continues(link, states, positions) and (
        usable or not any(s.last_seq for s in states)
    ):
        return
    needed = {state.name: state.generation for state in states}
    peers = [peer for peer in await query_peers(link) if _is_suitable(peer, followed_log, needed)]
    peers.sort(key=lambda peer: sum(position.seq for position in peer.following))
    while peers:
        peer = peers.pop()
        try:
            await _copy_from(link, folder, peer)
        except Unavailable as error:
            _log.warning("copy_not_taken", node=peer.name, why=error.message)
        else:
            return
    if not all(_has_following_messages(state, positions) for state in states):
        raise Unavailable(
            "the cluster's streams do not have all of the log, and no node that is ready has a "
            "copy of the rest"
        )
    for name in folder_copy.FILES if contents is not None else ():
        remove(folder / name)


def _has_following_messages(state: StreamState, positions: Mapping[str, StreamPosition]) -> bool:
    """Return whether the stream has, in the same generation, everything after the position."""
    position = positions.get(state.name, StreamPosition(state.name, 0))
    return state.first_seq <= position.seq + 1 and state.generation == position.generation


async def _continues(
    link: NatsLink, states: list[StreamState], positions: Mapping[str, StreamPosition]
) -> bool:
    """Return whether every stream continues where the folder ends.

    Raises SettingError if the folder is ahead of a stream of the same generation.
    """
    for state in states:
        position = positions.get(state.name)
        if position is not None and state.generation == position.generation:
            try:
                await check_message(link, state, position)
            except Mismatch as error:
                raise SettingError(f"log: {error.message}") from error
    return all(_has_following_messages(state, positions) for state in states)


async def _state(link: NatsLink, name: str) -> StreamState:
    info = await link.api(f"STREAM.INFO.{name}")
    if not has_quorum(info):
        raise Unavailable(f"{name} has no quorum")
    return parse_state(info)


def _is_suitable(peer: Peer, followed_log: FollowedLog, generations: Mapping[str, str]) -> bool:
    peer_log = FollowedLog(peer.log, [position.stream for position in peer.following], peer.clients)
    same = all(
        generations.get(position.stream) == position.generation for position in peer.following
    )
    # the projection's arrays have the machine's byte order
    return (
        peer.ready and same and peer_log.covers(followed_log) and peer.byte_order == sys.byteorder
    )


async def _copy_from(link: NatsLink, folder: Path, peer: Peer) -> None:
    _log.info("copy_begins", node=peer.name)
    target = folder / "incoming"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    reader = uuid.uuid4().bytes
    subject = peer_subject(peer.id, "copy")
    while (files := _offered_files(await link.request(subject, reader))) is None:  # noqa: ASYNC110 — another node's event
        await asyncio.sleep(CHECK_SECONDS)
    progress = _Progress(sum(files.values()))
    for name, size in files.items():
        await _fetch(link, peer, target / name, size, progress)
    await link.request(peer_subject(peer.id, "done"), reader)
    folder_copy.install(target, folder)
    _log.info("copy_taken", node=peer.name, bytes=progress.size)


def _offered_files(answer: Msg) -> dict[str, int] | None:
    offer = msgspec.json.decode(answer.data, type=CopyOffer)
    if offer.error:
        raise Unavailable(offer.error)
    return offer.files


class _Progress:
    """Counts the bytes of a copy and logs them periodically."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._copied = 0
        self._logged_at = 0.0

    def add(self, count: int) -> None:
        self._copied += count
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= PROGRESS_SECONDS:
            self._logged_at = now
            _log.info("copy_goes_on", bytes=self._copied, of=self.size)


async def _fetch(link: NatsLink, peer: Peer, path: Path, size: int, progress: _Progress) -> None:
    async def piece(offset: int) -> bytes:
        request = msgspec.json.encode(PieceRequest(path.name, offset))
        return (await link.request(peer_subject(peer.id, "piece"), request)).data

    received = 0
    with path.open("wb") as file:
        for start in range(0, size, PIECE_BYTES * CONCURRENT_PIECES):
            offsets = range(start, min(start + PIECE_BYTES * CONCURRENT_PIECES, size), PIECE_BYTES)
            for data in await asyncio.gather(*map(piece, offsets)):
                received += file.write(data)
                progress.add(len(data))
    if received != size:
        raise Unavailable(f"{peer.name} did not send all of {path.name}")
