"""The archive: each client's past hours as Parquet files, on a disk or in a bucket."""
