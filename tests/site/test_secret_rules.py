"""Tests of the rules that secrets must follow, and of the list of published secrets."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from floorcast.site.digests import digest, new_key
from floorcast.site.secret_rules import (
    MAX_PASSWORD_CHARS,
    MIN_KEY_CHARS,
    MIN_PASSWORD_CHARS,
    is_example_key,
    is_example_password,
    password_problem,
)


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("x" * (MIN_PASSWORD_CHARS - 1), "must have 12 to 1024 characters"),
        ("x" * MIN_PASSWORD_CHARS, ""),
        ("x" * MAX_PASSWORD_CHARS, ""),
        ("x" * (MAX_PASSWORD_CHARS + 1), "must have 12 to 1024 characters"),
        (" " * MIN_PASSWORD_CHARS, "must have 12 to 1024 characters"),
        ("Maria.Kowalska", "must not be the user's name"),
        (" maria.kowalska ", "must not be the user's name"),
        ("maria.kowalska's", ""),
    ],
)
def test_a_password_must_be_long_and_not_the_users_name(password: str, fault: str) -> None:
    """The length is counted in characters, and the name is compared case-insensitively."""
    assert password_problem(password, "maria.kowalska") == fault


def test_every_secret_of_the_example_site_is_known_as_public() -> None:
    """An example secret that is not listed would be treated as private."""
    example = tomllib.loads((files("floorcast") / "example_site.toml").read_text("utf-8"))
    for client in example["client"]:
        assert all(is_example_key(digest(key)) for key in client["api_tokens"])
        assert all(is_example_key(digest(key)) for key in client["ingest_keys"])
        passwords = [one["password"] for one in client["user"]]
        passwords += [one["password"] for one in client["agent"] if "password" in one]
        assert all(map(is_example_password, passwords))
    assert not is_example_key(digest(new_key()))
    assert not is_example_password("correct horse")


def test_generated_keys_are_long_enough() -> None:
    """The output of ``floorcast key new`` is valid in a site file."""
    assert len(new_key()) >= MIN_KEY_CHARS
