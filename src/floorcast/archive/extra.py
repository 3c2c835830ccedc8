"""Checks whether the extra ``floorcast[archive]`` is installed."""

from __future__ import annotations

from importlib.util import find_spec

from floorcast.model.errors import SettingError

__all__ = ["require_extra"]


def require_extra() -> None:
    """Raise SettingError, with installation instructions, if pyarrow or duckdb is missing."""
    missing = [name for name in ("pyarrow", "duckdb") if find_spec(name) is None]
    if missing:
        raise SettingError(
            f"the archive needs {' and '.join(missing)}: install them with"
            " pip install 'floorcast[archive]', or remove the setting archive"
        )
