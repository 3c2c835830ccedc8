"""SQLite: opening files, bulk rows, the background writer, checksums and derived files."""
