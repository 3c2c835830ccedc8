"""Tests of the site's form in the key-value store."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from floorcast.model.errors import SettingError
from floorcast.site.apply import stored_client
from floorcast.site.configuration import MAX_ID, User
from floorcast.site.file_reader import SiteFile
from floorcast.site.manual_changes import ManualChanges
from floorcast.site.store import read_client, read_manual_changes, read_stored_site
from tests.search import tries
from tests.site.sites import CHEAP, site_files


@settings(max_examples=tries(40))
@given(site_files())
def test_a_stored_client_is_read_back_unchanged(site_file: SiteFile) -> None:
    """Any client equals its original after it is written and read."""
    for client in site_file.clients:
        declared = stored_client(client, None, CHEAP)
        raw = msgspec.json.encode(declared)
        assert read_client(raw) == declared
        assert read_stored_site({str(client.id): raw}, {}).declared == {client.id: declared}


def test_a_missing_item_means_no_manual_changes() -> None:
    """The store has no item for a client that no command has changed."""
    assert read_manual_changes(None) == ManualChanges()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"id": 1}', b"\xff", b'{"name": "\xff"}'])
def test_damaged_data_raises_a_setting_error(raw: bytes) -> None:
    """Reading damaged data raises a ``SettingError`` that explains the fix."""
    with pytest.raises(SettingError, match="apply the site file again"):
        read_client(raw)


ANN = User(id=1, name="ann", password_hash="h", role="Manager")


@pytest.mark.parametrize(("user_id", "name"), [(2, ""), (MAX_ID + 1, "bob"), (-1, "x" * 300)])
def test_users_whom_an_older_release_could_not_read_are_left_out(user_id: int, name: str) -> None:
    """Their name or id is impossible. Everything else is kept, such as the revoked keys."""
    kept = ManualChanges(users=(ANN,), revoked=("digest",))
    raw = msgspec.json.decode(msgspec.json.encode(kept))
    raw["users"].append({**raw["users"][0], "id": user_id, "name": name})
    assert read_manual_changes(msgspec.json.encode(raw)) == kept


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"users": 1}', b'{"users": [{"id": 1, "name": ""}]}', b'{"other": 1}'],
)
def test_other_damage_to_manual_changes_is_not_left_out(raw: bytes) -> None:
    """A revoked key would otherwise be valid again, so only a backup helps."""
    with pytest.raises(SettingError, match="restore the data folder from a backup"):
        read_manual_changes(raw)
