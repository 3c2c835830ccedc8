"""The HTTP API: one table of routes, its handlers, and how errors become responses."""
