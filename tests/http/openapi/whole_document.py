"""The OpenAPI document of all routes, which takes a while to make and which tests only read."""

from __future__ import annotations

from floorcast.http.openapi.document import document
from floorcast.http.routes import ROUTES

__all__ = ["DOCUMENT"]

DOCUMENT = document(ROUTES)
