"""Reads settings from flags, the environment and ``floorcast.toml``, in that order."""
