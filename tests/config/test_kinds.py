"""Tests of the values that each kind of setting accepts and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.config.kinds import (
    ARCHIVE,
    CLIENTS,
    LOG,
    PATH,
    PROXIES,
    SIZE,
    TEXT,
    Kind,
    choice,
    integer,
    number,
)

PORT = integer(0, 65_535)
HOURS = number(0.1, 168)
LEVEL = choice("debug", "info")


@pytest.mark.parametrize(
    ("kind", "given_value", "read"),
    [
        (PORT, "8080", 8080),
        (PORT, 0, 0),
        (HOURS, "0.5", 0.5),
        (HOURS, 4, 4.0),
        (LEVEL, " INFO ", "info"),
        (SIZE, 2**20, 2**20),
        (SIZE, "256MiB", 2**28),
        (SIZE, "1.5 gib", 3 * 2**29),
        (SIZE, "2097152 B", 2**21),
        (TEXT, " 0.0.0.0 ", "0.0.0.0"),
        (PATH, "~data", Path("~data")),
        (PATH, Path("x"), Path("x")),
        (LOG, "embedded", "embedded"),
        (LOG, "nats://a:4222,b,c", "nats://a:4222,b,c"),
        (LOG, "nats://u:p@a,b", "nats://u:p@a,b"),
        (ARCHIVE, "/srv/archive", "/srv/archive"),
        (ARCHIVE, "s3://bucket/prefix", "s3://bucket/prefix"),
        (CLIENTS, "47415, 7,7", (47415, 7)),
        (CLIENTS, [8], (8,)),
        (PROXIES, "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        (PROXIES, ["192.0.2.1"], ("192.0.2.1",)),
        (PROXIES, [], ()),
    ],
)
def test_valid_values_are_read(kind: Kind, given_value: object, read: object) -> None:
    """A valid value can be given as text or with its TOML type."""
    assert kind.read(given_value) == read


@pytest.mark.parametrize(
    ("kind", "given_value"),
    [
        (ARCHIVE, "s3:/bucket"),
        (ARCHIVE, "S3://bucket"),
        *((PORT, value) for value in ("", "x", -1, 65_536, True, 8080.0, None, [8080], "9" * 5000)),
        *((HOURS, value) for value in (0, "nan", "inf", 169, True, "four", None)),
        *((LEVEL, value) for value in ("", "loud", 1, None)),
        *((SIZE, value) for value in ("1MB", "-1MiB", 2**20 - 1, 1.5, True, "99999999GiB", "")),
        *((TEXT, value) for value in ("", "  ", 1, None, "a\0b")),
        *((PATH, value) for value in ("", 1, None, "a\0b")),
        *(
            (LOG, value)
            for value in ("", "redis://a", "nats://", "nats://u:p@a,v@b", "nats://a,,b", 1)
        ),
        *((CLIENTS, value) for value in ("", "x", "0", "1,", [1.5], 2**63)),
        *((PROXIES, value) for value in ("x", "10.0.0.0/33", "10.0.0.1,", [1])),
    ],
)
def test_invalid_values_are_refused(kind: Kind, given_value: object) -> None:
    """Any invalid value is refused."""
    with pytest.raises((ValueError, TypeError)):
        kind.read(given_value)


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@pytest.mark.parametrize("kind", [PORT, HOURS, LEVEL, SIZE, TEXT, PATH, LOG, PROXIES])
def test_any_value_is_read_or_refused(kind: Kind) -> None:
    """Any value is either read or refused with one of the expected exceptions."""

    @given(ANY)
    def is_read_or_refused(value: object) -> None:
        try:
            kind.read(value)
        except (ValueError, TypeError, OverflowError):
            return

    is_read_or_refused()
