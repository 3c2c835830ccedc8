"""SQLite: opening files, bulk rows, the background writer, the write-ahead log."""
