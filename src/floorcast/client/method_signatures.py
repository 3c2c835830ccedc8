"""Gives client methods that are made from functions their names, docstrings and signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper

__all__ = ["copy_signature"]


def copy_signature(method: Callable[..., object], function: Callable[..., object]) -> None:
    """Give a method the name and docstring of a function, and its parameters after ``self``."""
    update_wrapper(method, function)
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].name in {"self", "protocol"}:
        del parameters[0]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    vars(method)["__signature__"] = signature.replace(
        parameters=[itself, *parameters],
        return_annotation=inspect.Signature.empty,  # the function's differs from the method's
    )
