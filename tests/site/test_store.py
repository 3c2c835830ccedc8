"""Tests of the site's form in the key-value store."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from floorcast.model.errors import SettingError
from floorcast.site.apply import stored_client
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
