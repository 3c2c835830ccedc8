"""Connectors that read events from other systems. Each kind has one module or package."""
