"""Tests of errors that are shown to users."""

from __future__ import annotations

import pytest

from floorcast.model.system_errors import describe_error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(13, "Permission denied", "x"), "Permission denied"),
        (OSError("[Errno 2] Failed to open 'x'. Detail: [errno 2] No such file or directory"),
         "Failed to open 'x': No such file or directory"),
        (OSError(20, "Cannot create 'x'. Detail: [errno 20] Not a directory"),
         "Cannot create 'x': Not a directory"),
        (ValueError("[Errno -2] Name or service not known"), "Name or service not known"),
        (OSError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (TimeoutError(), "TimeoutError"),
    ],
)  # fmt: skip
def test_errors_have_no_numbers(error: Exception, text: str) -> None:
    """The message says what happened. The number says nothing more."""
    assert describe_error(error) == text
