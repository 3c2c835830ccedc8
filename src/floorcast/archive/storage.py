"""Stores an archive in a folder, or under a prefix of an S3-compatible bucket.

Readers never see a partial file. In a folder, a file is written under a temporary name, flushed
and renamed. An S3 object becomes visible when its upload is complete.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from floorcast.archive.manifests import HOUR_MANIFEST, HourManifest, read_hour
from floorcast.model.errors import Unavailable
from floorcast.model.system_errors import describe_error

__all__ = ["Archive", "open_archive"]

CONNECT_SECONDS = 5
REQUEST_SECONDS = 30
ATTEMPTS = 2  # per request to a bucket; the next sealing job tries again
TEMPORARY = ".part"  # suffix of a file that is being written

_CLIENT = re.compile(r"client=(\d+)")
_DATE = re.compile(r"date=(\d{4}-\d\d-\d\d)")
_HOUR = re.compile(r"hour=(\d\d)")


class _Writer(Protocol):
    def __call__(self, path: str, content: bytes) -> None: ...


class Archive:
    """The files of an archive. Paths are relative to its root.

    Every method raises Unavailable if the folder or the bucket cannot be used.
    """

    def __init__(self, files: fs.FileSystem, root: str, write: _Writer) -> None:
        self.files = files
        self.root = root
        self._write = write

    @property
    def in_folder(self) -> bool:
        """Whether the files are on a local disk."""
        return isinstance(self.files, fs.LocalFileSystem)

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file. When this returns, the file is durable."""
        try:
            self._write(f"{self.root}/{path}", content)
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(f"the archive cannot be written: {describe_error(error)}") from error

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist."""
        try:
            with self.files.open_input_stream(f"{self.root}/{path}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(f"the archive cannot be read: {describe_error(error)}") from error

    def clients(self) -> list[int]:
        """Return the ids of the clients that have hours in the archive."""
        return sorted(int(name) for name in self._folders("", _CLIENT))

    def dates(self, client: int) -> list[str]:
        """Return the dates for which a client has hours, oldest first."""
        return self._folders(f"client={client}", _DATE)

    def hours(self, client: int, date: str) -> list[HourManifest]:
        """Return the manifests of a day's hours, in order of time. Raises DamagedManifest."""
        day = f"client={client}/date={date}"
        found = []
        for number in self._folders(day, _HOUR):
            path = f"{day}/hour={number}"
            content = self.read(f"{path}/{HOUR_MANIFEST}")
            if content is not None:
                found.append(read_hour(content, path))
        return sorted(found, key=lambda hour: hour.start)

    def sealed(self, client: int, date: str) -> dict[str, dict[str, int]]:
        """Return the folders of a day's hours that have a manifest, with the sizes of their files.

        Sizes are in bytes, by file name.
        """
        selector = fs.FileSelector(
            f"{self.root}/client={client}/date={date}", allow_not_found=True, recursive=True
        )
        try:
            found = self.files.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(f"the archive cannot be listed: {describe_error(error)}") from error
        sizes: dict[str, dict[str, int]] = {}
        for info in found:
            path = _path(info)
            if "/hour=" in path and info.type == fs.FileType.File:
                folder, _, name = path[len(self.root) + 1 :].rpartition("/")
                sizes.setdefault(folder, {})[name] = info.size
        return {folder: sizes[folder] for folder in sorted(sizes) if HOUR_MANIFEST in sizes[folder]}

    def manifest(self, path: str) -> HourManifest | None:
        """Return the manifest in an hour's folder, or None if the hour is not in the archive."""
        content = self.read(f"{path}/{HOUR_MANIFEST}")
        return None if content is None else read_hour(content, path)

    def _folders(self, path: str, pattern: re.Pattern[str]) -> list[str]:
        selector = fs.FileSelector(f"{self.root}/{path}", allow_not_found=True)
        try:
            found = self.files.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(f"the archive cannot be listed: {describe_error(error)}") from error
        names = [_path(info) for info in found if info.type == fs.FileType.Directory]
        bases = (name.rpartition("/")[2] for name in names)
        return sorted(match[1] for base in bases if (match := pattern.fullmatch(base)))


def _path(info: fs.FileInfo) -> str:
    """Return a file's path, or an empty one if it is not UTF-8: the archive has no such files."""
    try:
        return str(info.path)
    except UnicodeDecodeError:
        return ""


def open_archive(location: str) -> Archive:
    """Open the archive in a folder or at ``s3://bucket/prefix``. Raises Unavailable."""
    if not location.startswith("s3://"):
        root = str(Path(location).absolute())
        return Archive(fs.LocalFileSystem(), root, _write_file)
    parts = urlsplit(location)
    try:
        bucket = _open_bucket()
    except (OSError, pa.ArrowException) as error:
        raise Unavailable(
            f"the bucket of {location} cannot be used: {describe_error(error)}"
        ) from error

    def write(path: str, content: bytes) -> None:
        with bucket.open_output_stream(path) as stream:
            stream.write(content)

    return Archive(bucket, f"{parts.netloc}{parts.path}".rstrip("/"), write)


def _open_bucket() -> fs.S3FileSystem:
    """Open S3 with credentials, region and endpoint from AWS's environment variables and files."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    split = urlsplit(endpoint) if endpoint else None
    return fs.S3FileSystem(
        endpoint_override=None if split is None else split.netloc,
        scheme="https" if split is None else split.scheme,
        region=region,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )


def _write_file(path: str, content: bytes) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(f"{target.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    for folder in (target.parent, target.parent.parent):
        _sync_folder(folder)
    for leftover in target.parent.glob(f"{target.name}.*{TEMPORARY}"):
        leftover.unlink(missing_ok=True)  # from a killed process


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
