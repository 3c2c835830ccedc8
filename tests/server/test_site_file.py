"""Tests of the site file that ``serve`` applies at its start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.auth.audit_log import AuditLog
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.server.site_file import apply_site_file
from tests.site.sites import CHEAP


@pytest.mark.parametrize(("users", "done"), [(60, [6 * tenth for tenth in range(1, 11)]), (50, [])])
def test_hashing_many_passwords_is_logged(tmp_path: Path, users: int, done: list[int]) -> None:
    """Thousands take minutes, in which the server is not ready."""
    file = tmp_path / "site.toml"
    user = (
        '[[client.user]]\nid = {0}\nname = "user{0}"\npassword = "a password of {0}"\n'
        'role = "Manager"\n'
    )
    file.write_text(
        '[[client]]\nid = 1\nname = "ACME"\n' + "".join(user.format(n) for n in range(1, users + 1))
    )
    file.chmod(0o600)

    async def apply() -> None:
        store = MemoryKeyValueStore()
        for _ in range(2):  # the second time, nothing has changed
            await apply_site_file(file, store, CHEAP, AuditLog(None), host="127.0.0.1")

    with capture_logs() as logs:
        asyncio.run(apply())
    hashed = [one for one in logs if one["event"] == "passwords_hashed"]
    assert [(one["done"], one["total"]) for one in hashed] == [(number, users) for number in done]
