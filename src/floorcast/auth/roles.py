"""Which roles may call what (section 2 of the contract)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from floorcast.model.errors import RoleNotAllowed
from floorcast.site.configuration import Role

__all__ = ["ALLOWED", "Methods", "require"]

Methods = Literal["feeds", "call data", "campaign statistics", "service methods"]

ALLOWED: Final[Mapping[Methods, tuple[Role, ...]]] = {
    "feeds": ("Sysadmin", "Manager"),
    "call data": ("Sysadmin", "Superuser", "Report Admin"),
    "campaign statistics": ("Sysadmin", "Superuser", "IT User", "Auditor", "Manager"),
    "service methods": ("Sysadmin", "Superuser", "Manager"),
}
"""The roles that may call each group of methods."""


def require(methods: Methods, role: Role) -> None:
    """Raise ``RoleNotAllowed``, naming the roles that would do, unless ``role`` is one."""
    allowed = ALLOWED[methods]
    if role not in allowed:
        raise RoleNotAllowed(
            f"the role {role} may not use the {methods}; allowed are {', '.join(allowed)}"
        )
