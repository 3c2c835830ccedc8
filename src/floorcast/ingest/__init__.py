"""Ingest: checks events, stores them in the log, and acknowledges them after they are folded."""
