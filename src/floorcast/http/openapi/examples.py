"""The reference's example requests and responses, which are stored in ``reference/``.

The golden tests prove that the server responds as in the examples, and ``/openapi.json`` and
``/docs`` show them. Only the reference's invalid JSON (a missing brace, an extra comma) is
corrected. Examples whose names begin with ``own_`` are floorcast's own, for methods without an
example in the reference.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

__all__ = ["Example", "examples", "load"]


class Example(NamedTuple):
    """An example request and its response. A missing body is None."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any
    status: int
    answer: Any


def load(name: str) -> Example:
    """Read the example in ``reference/<name>.http``. Every call returns a new object."""
    return _read(_folder().joinpath(f"{name}.http").read_text("utf-8"))


@cache
def examples() -> dict[str, Example]:
    """Return all examples by name, in alphabetical order."""
    found = sorted(_folder().iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".http"): _read(file.read_text("utf-8")) for file in found}


def _folder() -> Traversable:
    return files("floorcast.http.openapi").joinpath("reference")


def _read(text: str) -> Example:
    request, answer = text.split("#Response\n")
    line, headers, body = _parts(request.removeprefix("#Request (JSON)\n"))
    method, target = line.split(" ")
    status, _, printed = _parts(answer)
    return Example(method, target, headers, body, int(status.split(" ")[0]), printed)


def _parts(text: str) -> tuple[str, dict[str, str], Any]:
    head, brace, body = text.partition("\n{")
    first, *lines = head.strip().split("\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first, headers, json.loads("{" + body) if brace else None
