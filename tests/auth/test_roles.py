"""Which roles may call what."""

from __future__ import annotations

from typing import get_args

import pytest

from floorcast.auth.roles import ALLOWED, Methods, require
from floorcast.model.errors import RoleNotAllowed
from floorcast.site.configuration import Role

TABLE = {
    "feeds": {"Sysadmin", "Manager"},
    "call data": {"Sysadmin", "Superuser", "Report Admin"},
    "campaign statistics": {"Sysadmin", "Superuser", "IT User", "Auditor", "Manager"},
    "service methods": {"Sysadmin", "Superuser", "Manager"},
}


@pytest.mark.parametrize("methods", get_args(Methods))
@pytest.mark.parametrize("role", get_args(Role))
def test_the_table_is_the_contracts(methods: Methods, role: Role) -> None:
    """Allowed passes; anything else is told with the roles that would do."""
    if role in TABLE[methods]:
        require(methods, role)
        return
    with pytest.raises(RoleNotAllowed) as caught:
        require(methods, role)
    assert f"the role {role} may not use the {methods}" in caught.value.message
    assert all(allowed in caught.value.message for allowed in ALLOWED[methods])
