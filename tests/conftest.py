"""What holds for all tests: hypothesis never fails one because the machine was slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("floorcast", deadline=None)
settings.load_profile("floorcast")
