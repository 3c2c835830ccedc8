"""Describes the values that an option accepts, for errors about missing and other values.

Typer's own messages use the words of the library that converts values, and name only one of two
bounds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import typer
from typer.core import TyperOption

from floorcast.model.wording import TYPE_WORDS, number, one_of, whole_number

__all__ = ["explain_value_error"]

EXAMPLE_TIME = datetime(2026, 11, 26, 10, tzinfo=UTC)


def explain_value_error(error: typer.BadParameter) -> None:
    """Make the message of an error about an option's value say what to do instead.

    For a value that could not be converted, it says which values are accepted. For a missing
    option, it names the variable that can set the option. Other errors keep their message.
    """
    if isinstance(error.param, TyperOption) and not error.message:
        variable = f"FLOORCAST_{str(error.param.name).upper()}"
        error.message = f"Give it, or set {variable}."
        return
    details = getattr(error.__cause__, "errors", None)
    runtime_param = getattr(error.param, "get_runtime_param", None)
    if details is None or runtime_param is None:
        return
    expected = _expected(runtime_param().annotation, runtime_param().parameter_info)
    if expected:
        error.message = f"must be {expected}, not {details()[0]['input']!r}"


def _expected(kind: type, option: Any) -> str:  # noqa: ANN401 -- Typer's OptionInfo or ArgumentInfo
    """Describe the values of a type, or return an empty string if every text is accepted."""
    if kind is bool:
        return TYPE_WORDS["bool"]
    if kind is datetime:
        shape = option.formats[0]
        noun = "a UTC time" if shape.endswith("Z") else "a date"
        return f"{noun} such as {EXAMPLE_TIME.strftime(shape)}"
    if issubclass(kind, Enum):
        return one_of([choice.value for choice in kind])
    if kind not in {int, float}:
        return ""
    low, high = option.min, option.max
    if low is not None and high is not None:
        return whole_number(low, high) if kind is int else number(low, high)
    noun = TYPE_WORDS[kind.__name__]
    return noun if low is None else f"{noun} of at least {low:,}"
