"""Error messages for mistakes in ``connect.toml`` and in the options that override it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from floorcast.model.wording import describe_expected, did_you_mean, keys_at

__all__ = ["explain"]

SECRET_KEYS = ("key",)


def explain(error: msgspec.ValidationError, raw: Mapping[str, object], kind: type) -> str:
    """Explain what must change in ``raw``, the parsed file, so that it converts to ``kind``."""
    problem, _, path = str(error).partition(" - at `$")
    steps = [name for name, _ in re.findall(r"\.(\w+)|(\[[^\]]*\])", path)]
    unknown = re.search(r"unknown field `(.+?)`", problem)
    if unknown:
        table = f"[{'.'.join(steps)}]" if steps else "the file"
        return f"{table} has no key {unknown[1]}{did_you_mean(unknown[1], keys_at(kind, steps))}"
    steps = [name or _invalid_key(steps[:at], raw, kind) for at, name in enumerate(steps)]
    *tables, key = steps
    where = f"[{'.'.join(tables)}] " if tables else ""
    return f"{where}{key} must be {describe_expected(kind, steps, 'a table')}{_given(steps, raw)}"


def _invalid_key(path: Sequence[str], raw: object, kind: type) -> str:
    """Return the first key of the table at ``path`` that has an invalid value."""
    table = _value_at(path, raw)
    for key, value in table.items() if isinstance(table, dict) else ():
        alone: object = {key: value}
        for step in reversed(path):
            alone = {step: alone}
        try:
            msgspec.convert(alone, kind, strict=False)
        except msgspec.ValidationError:
            return str(key)
    return "each value"


def _value_at(path: Sequence[str], raw: object) -> object:
    for step in path:
        raw = raw.get(step) if isinstance(raw, dict) else None
    return raw


def _given(steps: Sequence[str], raw: object) -> str:
    """Return the wrong value as the end of the message, or "" if it is a secret or not simple."""
    given = _value_at(steps, raw)
    is_shown = isinstance(given, str | int | float) and steps[-1] not in SECRET_KEYS
    return f", not {given!r:.80}" if is_shown else ""
