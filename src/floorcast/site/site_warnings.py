"""Warnings about a valid site file: published secrets, and a file that others can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from floorcast.site.digests import digest
from floorcast.site.file_reader import SiteFile
from floorcast.site.file_schema import FileClient
from floorcast.site.secret_rules import (
    is_example_key,
    is_example_password,
    is_example_secret,
)

__all__ = ["example_secret_warnings", "permission_warnings"]


def example_secret_warnings(site_file: SiteFile) -> Iterator[str]:
    """Yield a warning for each secret that comes from the published example site."""
    for client in site_file.clients:
        for login in client.logins():
            if login.password and is_example_password(login.password):
                what = "agent" if login.agent else "user"
                yield (
                    f"client {client.id}, {what} {login.id}: the password is from the published "
                    f"example; choose another"
                )
        for name in ("api_tokens", "ingest_keys"):
            if any(is_example_key(digest(key)) for key in getattr(client, name)):
                yield (
                    f"client {client.id}: {name} has a key from the published example; create "
                    f"another with floorcast key new"
                )
        yield from _example_webhooks(client)


def _example_webhooks(client: FileClient) -> Iterator[str]:
    for webhook in client.webhook:
        if any(map(is_example_secret, webhook.secrets)):
            yield (
                f"client {client.id}, webhook {webhook.name}: the secret is from the published"
                f" example; create another with floorcast webhook secret"
            )


def permission_warnings(path: Path, site_file: SiteFile) -> Iterator[str]:
    """Yield a warning if others can read the file and it has unhashed, unpublished secrets."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and any(map(_has_own_secrets, site_file.clients)):
        yield (
            f"{path} holds secrets and can be read by others (mode {mode:04o}): chmod 600 {path},"
            " or give hashes instead"
        )


def _has_own_secrets(client: FileClient) -> bool:
    passwords = [login.password for login in client.logins() if login.password]
    keys = (*client.api_tokens, *client.ingest_keys)
    secrets = (secret for webhook in client.webhook for secret in webhook.secrets)
    return not (
        all(map(is_example_password, passwords))
        and all(is_example_key(digest(key)) for key in keys)
        and all(map(is_example_secret, secrets))
    )
