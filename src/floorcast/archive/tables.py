"""Converts rows to Parquet files. The same version of pyarrow always creates the same bytes."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from floorcast.archive.call_rows import Row
from floorcast.archive.schemas import SCHEMAS

__all__ = ["WRITER", "make_table", "parquet_bytes", "read_parquet", "write_parquet"]

WRITER = f"pyarrow {pa.__version__}"
BATCH_ROWS = 20_000
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 3


def parquet_bytes(name: str, rows: Iterable[Row]) -> tuple[bytes, int]:
    """Return a Parquet file with the rows, which have the schema ``name``, and their number."""
    table = make_table(name, rows)
    return write_parquet(table), table.num_rows


def make_table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Return the rows as a table with the schema ``name``."""
    schema = SCHEMAS[name]
    batches = [_batch(batch, schema) for batch in _batches(rows)]
    return pa.Table.from_batches(batches, schema).combine_chunks()


def write_parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        version="2.6",
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        store_schema=False,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(content: bytes) -> pa.Table:
    """Return the table in a Parquet file. Raises pyarrow.ArrowException."""
    return pq.ParquetFile(pa.BufferReader(content)).read()


def _batches(rows: Iterable[Row]) -> Iterable[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
