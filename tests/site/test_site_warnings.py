"""Tests of the warnings about a site file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from floorcast.site.file_reader import read
from floorcast.site.site_warnings import example_secret_warnings, permission_warnings
from tests.site.sites import SMALL

EXAMPLE = Path(str(files("floorcast"))) / "example_site.toml"
HASHED = """
[[client]]
id = 1
name = "A"
api_token_hashes = ["d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0"]
user = [
    {id = 1, name = "u", role = "Auditor", password_hash = "$argon2id$v=19$m=8,t=1,p=1$c2E$aGE"}
]
"""


def test_every_secret_of_the_example_is_reported() -> None:
    """The warnings name the places of passwords, tokens and keys, but never the secrets."""
    warnings = list(example_secret_warnings(read(EXAMPLE)))
    assert [line.partition(":")[0] for line in warnings] == [
        "client 47415, user 9001",
        "client 47415, user 9002",
        "client 47415, agent 393601",
        "client 47415",
        "client 47415",
    ]
    assert not any("change-me" in line for line in warnings)


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [(SMALL, 0o644, True), (SMALL, 0o640, True), (SMALL, 0o600, False), (HASHED, 0o644, False)],
)
def test_a_file_with_secrets_that_others_can_read_causes_a_warning(
    tmp_path: Path, text: str, mode: int, warned: bool
) -> None:
    """The warning names the file's mode and the fix.

    The example, and files that contain only hashes, cause no warning.
    """
    file = tmp_path / "site.toml"
    file.write_text(text)
    file.chmod(mode)
    site_file = read(file)
    warnings = list(permission_warnings(file, site_file))
    assert bool(warnings) is warned
    assert all(f"mode {mode:04o}" in line and "chmod 600" in line for line in warnings)
    assert list(example_secret_warnings(site_file)) == []
    assert list(permission_warnings(EXAMPLE, read(EXAMPLE))) == []
