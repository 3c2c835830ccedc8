"""Copies hours from the archive into one CSV or Parquet file for each kind of row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from floorcast.archive.manifests import HourManifest
from floorcast.archive.schemas import FILES, SCHEMAS
from floorcast.archive.storage import Archive
from floorcast.archive.tables import COMPRESSION, read_parquet
from floorcast.model.errors import Unavailable

__all__ = ["FORMATS", "Format", "export"]

Format = Literal["csv", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "parquet")

_HOUR = [("client", pa.int64()), ("date", pa.string()), ("hour", pa.int64())]


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...


def export(
    archive: Archive,
    hours: Iterable[HourManifest],
    folder: Path,
    file_format: Format,
    on_hour: Callable[[int], None],
) -> dict[str, int]:
    """Write the rows of the hours to files in a folder, and return each file's number of rows.

    The first columns of each file are ``client``, ``date`` and ``hour``. After each hour,
    ``on_hour`` is called with the number of finished hours. Raises Unavailable if a file is missing
    from the archive.
    """
    rows = dict.fromkeys((f"{name}.{file_format}" for name in FILES), 0)
    with ExitStack() as stack:
        writers = {
            name: _open_writer(stack, folder / f"{name}.{file_format}", name, file_format)
            for name in FILES
        }
        for count, manifest in enumerate(hours, 1):
            for name, writer in writers.items():
                content = archive.read(f"{manifest.path}/{name}.parquet")
                if content is None:
                    raise Unavailable(f"{manifest.path}/{name}.parquet is missing")
                table = _with_hour(read_parquet(content), manifest)
                writer.write_table(_flatten(table) if file_format == "csv" else table)
                rows[f"{name}.{file_format}"] += table.num_rows
            on_hour(count)
    return rows


def _open_writer(stack: ExitStack, path: Path, name: str, file_format: Format) -> _Writer:
    schema = pa.schema([*_HOUR, *SCHEMAS[name]])
    writer: _Writer
    if file_format == "csv":
        writer = stack.enter_context(csv.CSVWriter(str(path), _flattened_schema(schema)))
    else:
        writer = stack.enter_context(
            pq.ParquetWriter(str(path), schema, compression=COMPRESSION, store_schema=False)
        )
    return writer


def _with_hour(table: pa.Table, manifest: HourManifest) -> pa.Table:
    for index, value in enumerate((manifest.client, manifest.date, manifest.hour)):
        name, kind = _HOUR[index]
        table = table.add_column(index, name, pa.repeat(pa.scalar(value, kind), table.num_rows))
    return table.cast(pa.schema([*_HOUR, *_columns(table)]))


def _columns(table: pa.Table) -> list[pa.Field]:
    schema = next(schema for schema in SCHEMAS.values() if schema.names == table.schema.names[3:])
    return list(schema)


def _flattened_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in schema]
    )


def _flatten(table: pa.Table) -> pa.Table:
    """Convert lists of numbers to text, separated by spaces, because CSV has no lists."""
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = table.column(field.name).cast(pa.list_(pa.string()))
            joined = pc.binary_join(texts, " ")
            table = table.set_column(index, field.name, joined)
    return table
