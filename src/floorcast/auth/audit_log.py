"""``audit.log``: logins, refusals and changes, one JSON object per line.

The server and commands append to the same file. When it reaches 10 MiB, it is renamed to
``audit.log.1``. Older files are renamed to ``audit.log.2`` and so on up to ``audit.log.9``, and the
oldest file is deleted. If a line was cut, for example by a power failure, the next one is not
appended to it. No line contains a password, a token or a key. Sessions and keys are
identified by the first digits of their hashes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, cast

import msgspec

from floorcast.auth.audit_files import FILE_NAME, MAX_OLD_FILES, numbered, opened
from floorcast.model.private_files import open_private
from floorcast.model.token import TICKS_PER_SECOND, Now, monotonic_now, system_now
from floorcast.site.changes import Change

__all__ = [
    "FILE_NAME",
    "AuditEvent",
    "AuditLog",
    "AuditTuning",
    "AuditValue",
    "DamagedLines",
    "read",
]

MAX_CHANGES = 1_000  # changes of one site file that are listed individually
MAX_PLACES = 5  # damaged lines whose places are reported
BEGINNING = b'{"at":"'  # of every object
TAIL_BYTES = 64 << 10  # bytes at the end of a file that are searched for its last line

AuditEvent = Literal[
    "alert_acknowledged",
    "backup",
    "backup_made",
    "entry_skipped",
    "erase",
    "ingest_key_refused",
    "ingest_key_slowed",
    "key_made",
    "key_revoked",
    "login",
    "login_failed",
    "login_slowed",
    "logout",
    "metrics_key_refused",
    "metrics_key_slowed",
    "password_change_failed",
    "password_change_slowed",
    "password_changed",
    "refused",
    "restore",
    "screen_key_refused",
    "screen_key_slowed",
    "screen_opened",
    "site_changed",
    "start",
    "stop",
    "user_added",
    "user_password_set",
    "user_removed",
    "webhook_resumed",
    "webhook_skipped",
]
"""What can be recorded. docs/running.md describes each event and its fields."""

AuditValue = str | int | bool | list[str] | None


class AuditTuning(NamedTuple):
    """The size and number of the files, and the limits for grouping refusals."""

    max_bytes: int = 10 << 20  # per file
    max_old_files: int = MAX_OLD_FILES
    group_seconds: int = 60  # seconds during which identical refusals share a line
    max_groups: int = 1_000  # kinds of refusal that are grouped at once


class DamagedLines(NamedTuple):
    """The number of damaged lines, and the files and numbers, from 1, of the first ones."""

    total: int
    first: Sequence[tuple[Path, int]]


class _RefusalGroup(NamedTuple):
    since: int  # ticks of the monotonic clock
    more: int  # refusals since the last written line


class AuditLog:
    """The audit log of a data folder. Without a folder, nothing is written.

    A full disk must not stop logins, so a line that cannot be written is lost, and the server logs
    the failure once. A process that only appends never waits for another process.
    """

    def __init__(
        self,
        folder: Path | None,
        now: Now = system_now,
        tuning: AuditTuning | None = None,
        *,
        monotonic: Now = monotonic_now,
    ) -> None:
        self._path = None if folder is None else folder / FILE_NAME
        self._now = now
        self._monotonic = monotonic
        self._tuning = tuning or AuditTuning()
        self._groups: dict[tuple[tuple[str, AuditValue], ...], _RefusalGroup] = {}  # oldest first
        self._failing = False

    def record(self, event: AuditEvent, **fields: AuditValue) -> None:
        """Append an event with its time. Fields that are None are omitted."""
        if self._path is None:
            return
        at = datetime.fromtimestamp(self._now() / TICKS_PER_SECOND, UTC)
        clock = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, AuditValue] = {"at": clock, "event": event}
        line |= {name: value for name, value in fields.items() if value is not None}
        try:
            self._append(self._path, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            if not self._failing:
                import structlog  # noqa: PLC0415 - would take half of a command's startup time

                log = structlog.stdlib.get_logger(__name__)
                log.error("audit_unwritable", why=error.strerror or str(error))  # noqa: TRY400 - a line, no traceback
            self._failing = True
        else:
            self._failing = False

    def record_refusal(self, event: AuditEvent, **fields: AuditValue) -> None:
        """Append a refusal. Identical refusals in the next minute are counted in one more line."""
        if self._path is None:
            return
        self.flush()
        key = (("event", event), *sorted(fields.items()))
        group = self._groups.get(key)
        if group is not None:
            self._groups[key] = group._replace(more=group.more + 1)
            return
        while len(self._groups) >= self._tuning.max_groups:
            self._write_oldest_group()
        self._groups[key] = _RefusalGroup(self._monotonic(), 0)
        self.record(event, **fields)

    def flush(self, *, everything: bool = False) -> None:
        """Append the refusals that have been grouped for a minute, or all grouped refusals."""
        before = self._monotonic() - self._tuning.group_seconds * TICKS_PER_SECOND
        while self._groups:
            oldest = next(iter(self._groups.values()))
            if oldest.since > before and not everything:
                return
            self._write_oldest_group()

    def record_changes(self, changes: Sequence[Change], **fields: AuditValue) -> None:
        """Append the changes to a site, one line each.

        If there are more than a thousand, one last line contains the number of the others.
        """
        for change in changes[:MAX_CHANGES]:
            self.record(
                "site_changed",
                action=change.action,
                what=change.what,
                detail=change.detail or None,
                **fields,
            )
        if len(changes) > MAX_CHANGES:
            self.record("site_changed", more=len(changes) - MAX_CHANGES, **fields)

    def last_event(self) -> str:
        """Return the event of the last line that can be read, or an empty string."""
        if self._path is None:
            return ""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = file.read(TAIL_BYTES).split(b"\n")
        except OSError:
            return ""
        parsed = (_parse(line).found for line in reversed(lines))
        return next((str(found["event"]) for found in parsed if found is not None), "")

    def _write_oldest_group(self) -> None:
        key = next(iter(self._groups))
        more = self._groups.pop(key).more
        if more:
            fields = dict(key)
            self.record(cast("AuditEvent", fields.pop("event")), **fields, more=more)

    def _append(self, path: Path, line: bytes) -> None:
        file = _open(path)
        try:
            size = os.fstat(file).st_size
            if size and size + len(line) > self._tuning.max_bytes and self._rotate(file):
                os.close(file)
                file = _open(path)
            if _is_cut(file):
                line = b"\n" + line
            # in one write, because other processes append to the same file
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def _rotate(self, file: int) -> bool:
        """Rename the files to make room for a new one.

        Returns False if another process is doing so.
        """
        assert self._path is not None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            if not os.path.samestat(os.fstat(file), self._path.stat()):
                return True  # another process has just done so
        except FileNotFoundError:
            return True  # and has not created the new file yet
        for number in range(self._tuning.max_old_files, 0, -1):
            newer = numbered(self._path, number - 1)
            if newer.exists():
                newer.replace(numbered(self._path, number))
        return True


def read(
    folder: Path, last: int | None = None, events: Collection[str] = ()
) -> tuple[Sequence[Mapping[str, object]], DamagedLines]:
    """Return the lines of a folder's audit log, oldest first, and its damaged lines.

    ``last`` limits the result to the last lines, and ``events`` to lines with those events. A
    rotation in the meantime changes nothing. Raises OSError if a file cannot be read.
    """
    damaged, first = 0, list[tuple[Path, int]]()

    def lines() -> Iterator[Mapping[str, object]]:
        nonlocal damaged
        for path, file in open_files:
            for number, text in enumerate(file, 1):
                # the last line may still have been in writing
                line = text if text.endswith(b"\n") else text + file.readline()
                parsed = _parse(line)
                if parsed.is_damaged:
                    damaged += 1
                    if len(first) < MAX_PLACES:
                        first.append((path, number))
                if parsed.found and (not events or parsed.found["event"] in events):
                    yield parsed.found

    with opened(folder) as open_files:
        found = deque(lines(), last)
    return found, DamagedLines(damaged, first)


class _ParsedLine(NamedTuple):
    found: dict[str, object] | None
    is_damaged: bool


def _parse(line: bytes) -> _ParsedLine:
    """Return the object in a line.

    An earlier release appended to a line that had been cut. Such a line is damaged, but it ends
    with an object. A string cannot contain an object's beginning, because its quotes are escaped.
    """
    start = line.rfind(BEGINNING)
    try:
        found = msgspec.json.decode(line[max(start, 0) :], type=dict[str, object])
    except (ValueError, RecursionError):  # including UnicodeDecodeError
        return _ParsedLine(None, bool(line.strip()))
    if not isinstance(found.get("event"), str):
        return _ParsedLine(None, is_damaged=True)
    return _ParsedLine(found, start > 0)


def _is_cut(file: int) -> bool:
    """Return whether the file's last line has no end."""
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _open(path: Path) -> int:
    file = open_private(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
    if os.fstat(file).st_mode & 0o077:
        os.fchmod(file, 0o600)
    return file
