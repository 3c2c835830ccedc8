"""The server: its parts put together, started, watched over and stopped."""
