"""Finds a person's calls and rewrites the stored data, for ``floorcast erase``."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from floorcast.archive.extra import require_extra
from floorcast.archive.jobs import hash_key
from floorcast.cli.progress_bar import ProgressDisplay, show_progress
from floorcast.config.settings import Settings
from floorcast.floor.erasing import calls_of_agent, erase_agent, erase_call, is_of
from floorcast.floor.state import decode_call, encode_call, from_snapshot, snapshot_parts
from floorcast.kv.token_secret import token_secret
from floorcast.log.erasing import rewrite_entries, stored_lines
from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.inbound import ALERT_SOURCE
from floorcast.model.person import CallKey, Person, PersonCalls, call_key, erase_values, ids_contain
from floorcast.model.token import to_ms
from floorcast.model.undecodable import UNDECODABLE
from floorcast.server.admin_store import open_admin_store
from floorcast.sqlite.files import compact
from floorcast.store.erasing import Changes, RewriteCounts, rewrite_store, stored_bodies

__all__ = ["Eraser"]

EMBEDDED = "embedded"  # the ``log`` setting of a server without a cluster

_parts = msgspec.msgpack.Decoder(list[bytes])


class Eraser:
    """One run of the command: first finds the person's calls everywhere, then rewrites the data.

    Afterwards, ``in_cluster`` tells whether the folder belongs to a node of a cluster,
    ``kept_in_ids`` is the number of events that have the phone number or account in an id, and
    ``missing_archive`` is the path or URL of an archive that has no hours, or empty.
    """

    def __init__(self, settings: Settings, client: int, person: Person, *, dry_run: bool) -> None:
        self._settings = settings
        self._folder = settings.data
        self._archive = settings.archive
        self._client = client
        self._person = person
        self._dry_run = dry_run
        self._archived_person = person
        self._found = PersonCalls()
        self._head = 0  # the newest entry of the client's log
        self._kept = (0, 0)  # the time (ms) that the log covers
        self._calls: set[CallKey] = set()  # the calls of that time
        self.in_cluster = False
        self.kept_in_ids = 0
        self.missing_archive = ""

    def run(self) -> dict[str, int]:
        """Erase the person's data, and return the number of changed items by kind.

        Raises SettingError and Unavailable.
        """
        log, mirror = self._folder / "log.db", self._folder / "mirror.db"
        ordinal = self._find_in_log(log)
        has_store = mirror.exists()
        is_stored = False
        if has_store:
            with _progress(1, "databases searched") as progress:
                is_stored = self._find_in_store(mirror)
                progress.update(1)
        if not self._find_in_archive() and ordinal is None and not is_stored:
            archive = self._archive or "an archive, which --archive names"
            raise SettingError(
                f"client {self._client} is neither in the log nor in the store nor in {archive}"
            )
        # The log is last. Until then, it identifies the calls, so that the command can be repeated.
        stored = RewriteCounts(0, 0, 0)
        if has_store:
            changes = Changes(self._erase_call, self._erase_published_event, self._erase_snapshot)
            with _progress(1, "databases rewritten") as progress:
                stored = rewrite_store(mirror, self._client, changes, dry_run=self._dry_run)
                progress.update(1)
        rows = self._erase_archive()
        events = 0
        if ordinal is not None:
            with _progress(self._head, "entries rewritten") as progress:
                events = rewrite_entries(
                    log, ordinal, self._erase_log_event, progress.update, dry_run=self._dry_run
                )
        if not self._dry_run:
            paths = (log, mirror) if has_store else (log,)
            with _progress(len(paths), "databases compacted") as progress:
                for count, path in enumerate(paths, 1):
                    _compact(path)
                    progress.update(count)
        return {
            "events_of_the_log": events,
            "events_of_feeds": stored.events,
            "calls": stored.calls,
            "snapshots": stored.snapshots,
            "rows_of_the_archive": rows,
        }

    def _find_in_log(self, path: Path) -> int | None:
        """Return the ordinal of the client's stream, or None if the log does not have the client.

        The archive can have clients that the log of a new folder has never had.
        """
        try:
            reader = LogReader(path)
        except apsw.Error as error:
            raise Unavailable(f"{path} cannot be read: {error}") from error
        try:
            self.in_cluster = bool(reader.stream_positions())
            stream = next((row for row in reader.streams() if row.client == self._client), None)
            if stream is None:
                return None
            self._kept = _kept_times(reader, stream)
            self._head = stream.head.number
            with _progress(self._head, "entries searched") as progress:
                for line in stored_lines(reader, stream, progress.update):
                    self._find_in_line(line)
        finally:
            reader.close()
        return stream.ordinal

    def _find_in_line(self, line: bytes) -> None:
        event = _decode(line)
        if event is None or not self._person.appears_in(event):
            return
        self.kept_in_ids += ids_contain(event, self._person)
        key = call_key(event)
        if key is not None:
            self._found.add(key, *self._kept)

    def _find_in_store(self, path: Path) -> bool:
        """Return whether the store has the client."""
        is_stored = False
        for kind, body in stored_bodies(path, self._client):
            is_stored = True
            if kind == "call":
                calls, agents = [decode_call(body)], []
            else:
                state = from_snapshot(_parts.decode(body))
                calls, agents = state.calls, list(state.agents.values())
            keys = {call.key for call in calls if is_of(call, self._person)}
            for key in keys.union(*(calls_of_agent(agent, self._person) for agent in agents)):
                self._found.add(key, *self._kept)
        self._calls = self._found.between(*self._kept)
        return is_stored

    def _find_in_archive(self) -> bool:
        """Return whether the archive has the client."""
        if not self._archive:
            return False
        require_extra()
        from floorcast.archive import erasing
        from floorcast.archive.storage import open_archive

        archive = open_archive(self._archive)
        clients = archive.clients()
        if not clients:
            self.missing_archive = self._archive
        if erasing.has_hashes(archive, self._client):
            key = hash_key(asyncio.run(self._secret()))
            self._archived_person = erasing.with_hashes(self._person, key)
        days = len(list(archive.dates(self._client)))
        with _progress(days, "days searched") as progress:
            erasing.find_calls(
                archive, self._client, self._archived_person, self._found, progress.update
            )
        self._calls = self._found.between(*self._kept)
        return self._client in clients

    def _erase_archive(self) -> int:
        if not self._archive:
            return 0
        from floorcast.archive import erasing
        from floorcast.archive.storage import open_archive

        now = datetime.now(UTC).isoformat(timespec="seconds")
        archive = open_archive(self._archive)
        with _progress(len(list(archive.dates(self._client))), "days rewritten") as progress:
            return erasing.erase_from_archive(
                archive, self._client, self._archived_person, self._found, now, progress.update,
                dry_run=self._dry_run,
            )  # fmt: skip

    async def _secret(self) -> bytes:
        """Return the secret of the data folder, or of the cluster that the folder follows."""
        settings = self._settings
        if not self.in_cluster:
            settings = msgspec.structs.replace(settings, log=EMBEDDED)
        elif settings.log == EMBEDDED:
            raise SettingError(
                "the archive has hashes, whose key is in the cluster that"
                f" {self._folder} follows: name it with --log nats://HOST,…"
            )
        async with AsyncExitStack() as stack:
            return await token_secret(await open_admin_store(stack, settings, create=False))

    def _erase_log_event(self, line: bytes) -> bytes | None:
        """Return the event without the person's data, or None if nothing changes."""
        event = _decode(line)
        if event is None or not self._concerns_person(event):
            return None
        return _if_changed(line, {**event, **erase_values(event, self._person)})

    def _erase_published_event(self, feed: str, line: bytes) -> bytes | None:
        event = None if feed == "alerts" else _decode(line)
        if event is None or not self._concerns_person(event):
            return None
        new = erase_values(event, self._person)
        if feed == "agent":
            new = {name: value for name, value in new.items() if value is not None}
        elif event.get("callEventType") == "CALL_START" and new.get("callerId", "") is None:
            del new["callerId"]
        return _if_changed(line, new)

    def _concerns_person(self, event: dict[str, object]) -> bool:
        return call_key(event) in self._calls or self._person.appears_in(event)

    def _erase_call(self, body: bytes) -> bytes | None:
        call = decode_call(body)
        is_theirs = call.key in self._calls
        return encode_call(call) if is_theirs and erase_call(call, self._person) else None

    def _erase_snapshot(self, blob: bytes) -> bytes | None:
        state = from_snapshot(_parts.decode(blob))
        theirs = [call for call in state.calls if call.key in self._calls]
        changed = [erase_call(call, self._person) for call in theirs]
        changed += [
            erase_agent(agent, self._person, self._calls) for agent in state.agents.values()
        ]
        if not any(changed):
            return None
        return msgspec.msgpack.encode(list(snapshot_parts(state)))


def _progress(total: int, what: str) -> AbstractContextManager[ProgressDisplay]:
    """Show the progress of a step on a terminal. In a log, one line per step would be too many."""
    return show_progress(total, what, lines=False)


def _kept_times(reader: LogReader, stream: StreamRow) -> tuple[int, int]:
    """Return the recording times (ms) of the oldest and the newest entry."""
    first = reader.recorded_at(stream.ordinal, reader.last_removed(stream.ordinal) + 1)
    newest = to_ms(stream.head.recorded_at)
    return newest if first is None else to_ms(first), newest


def _decode(line: bytes) -> dict[str, object] | None:
    """Return an event that may be about a person, or None."""
    try:
        event = msgspec.json.decode(line)
    except UNDECODABLE:
        return None
    # an alert is about a service, and its figures or ids may equal an account by chance
    is_of_person = isinstance(event, dict) and event.get("source") != ALERT_SOURCE
    return event if is_of_person else None


def _if_changed(line: bytes, event: dict[str, object]) -> bytes | None:
    new = msgspec.json.encode(event)
    return None if new == msgspec.json.encode(msgspec.json.decode(line)) else new


def _compact(path: Path) -> None:
    """Rewrite the file so that no removed data remains in its free pages."""
    try:
        compact(path)
    except (apsw.Error, OSError) as error:
        raise Unavailable(
            f"{path} still has the removed data in its free pages: {error}; free some disk space"
            " and run the command again"
        ) from error
