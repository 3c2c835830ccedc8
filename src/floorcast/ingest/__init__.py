"""Ingest: checks events, stores them in the log, and acknowledges them once they are folded."""
