"""Applies the site file that ``serve --site`` names, at each start."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import structlog

from floorcast.auth.audit_log import AuditLog
from floorcast.auth.networks import is_loopback
from floorcast.auth.passwords import Hasher
from floorcast.kv.port import KeyValueStore
from floorcast.model.errors import SettingError
from floorcast.site import apply, file_reader
from floorcast.site.counted_hasher import FEW_PASSWORDS, CountedHasher, count_passwords
from floorcast.site.site_warnings import example_secret_warnings, permission_warnings
from floorcast.site.template_warnings import template_warnings

__all__ = ["apply_site_file"]

_log = structlog.stdlib.get_logger(__name__)


async def apply_site_file(
    file: Path, kv: KeyValueStore, hasher: Hasher, audit: AuditLog, *, host: str
) -> None:
    """Apply the file, and log the changes and any warnings. ``host`` is the server's address.

    Raises SettingError if the file is invalid or would remove all clients.
    """
    site_file = file_reader.read(file)
    warnings = list(permission_warnings(file, site_file))
    if not is_loopback(host):
        warnings += example_secret_warnings(site_file)
    for warning in warnings:
        _log.warning("site_unsafe", why=warning)
    for warning in template_warnings(site_file):
        _log.warning("webhook_template_fails", why=warning)

    def approve(proposal: apply.Proposal) -> bool:
        if proposal.removed and not site_file.clients:
            raise SettingError(
                f"{file} declares no client and would remove all clients; to do that:"
                f" floorcast site apply {file} --yes"
            )
        return True

    counted = CountedHasher(hasher, _log_progress(count_passwords(site_file.clients)))
    changes = await apply.apply(kv, site_file, counted, approve)
    audit.record_changes(changes, command="serve --site", file=str(file))
    _log.info("site_applied", file=file.name, changes=len(changes))


def _log_progress(total: int) -> Callable[[int], None]:
    """Return a function that logs each tenth of the passwords, unless there are few."""
    tenths = {math.ceil(total * tenth / 10) for tenth in range(1, 11)}

    def log_progress(done: int) -> None:
        if total > FEW_PASSWORDS and done in tenths:
            _log.info("passwords_hashed", done=done, total=total)

    return log_progress
