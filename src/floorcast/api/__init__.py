"""The HTTP API: one table of routes, its handlers, and how refusals become answers."""
