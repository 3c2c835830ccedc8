"""The HTTP API: one table of routes, its handlers, and the mapping of errors to responses."""
