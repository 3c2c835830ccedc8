"""Rules for the strength of secrets, and the secrets that are published as examples."""

from __future__ import annotations

from floorcast.site.digests import digest

__all__ = [
    "MAX_PASSWORD_CHARS",
    "MIN_KEY_CHARS",
    "MIN_PASSWORD_CHARS",
    "is_example_key",
    "is_example_password",
    "is_example_secret",
    "password_problem",
]

MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 1024
MIN_KEY_CHARS = 20  # in an API token or ingest key in a site file

EXAMPLE_PASSWORDS = frozenset(
    {"example-agent-password", "example-reports-password", "example-manager-password"}
)
EXAMPLE_KEYS = frozenset(
    map(digest, ("example-api-token-change-me", "example-ingest-key-change-me"))
)


EXAMPLE_SECRETS = frozenset({"whsec_ZXhhbXBsZS13ZWJob29rLXNlY3JldC1jaGFuZ2UtbWU="})
"""The webhook secrets in the published example site and in the docs."""


def password_problem(password: str, user_name: str) -> str:
    """Return the reason to reject a new password ("must …"), or an empty string if it is valid."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS or not password.strip():
        return f"must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters"
    if password.strip().casefold() == user_name.strip().casefold():
        return "must not be the user's name"
    return ""


def is_example_password(password: str) -> bool:
    """Return whether the published example site uses this password."""
    return password in EXAMPLE_PASSWORDS


def is_example_key(key_digest: str) -> bool:
    """Return whether the example site contains the API token or ingest key with this digest."""
    return key_digest in EXAMPLE_KEYS


def is_example_secret(secret: str) -> bool:
    """Return whether the webhook secret is published as an example."""
    return secret in EXAMPLE_SECRETS
