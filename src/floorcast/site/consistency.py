"""Checks that the parts of a site file are consistent. The types have been checked before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from zoneinfo import ZoneInfo

from floorcast.site.alert_file import alert_problems
from floorcast.site.client_tree import children_of, family, is_own_ancestor
from floorcast.site.configuration import CallCenterRef, ClientCallCenter
from floorcast.site.digests import digest
from floorcast.site.file_schema import FileAgent, FileClient, FileUser
from floorcast.site.secret_rules import MIN_KEY_CHARS, password_problem
from floorcast.site.webhook_check import webhook_problems

__all__ = ["MAX_API_TOKENS", "key_hashes", "problems"]

MAX_API_TOKENS = 5  # per client, from the contract

CallCenterIds = Mapping[int, frozenset[int]]
"""Maps a client and each client below it to the ids of its call centers."""

_ARGON2ID = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER = re.compile(r"[!-~]+")


def problems(clients: Sequence[FileClient]) -> list[str]:
    """Return all inconsistencies, one line each. A line names the table and the key."""
    found = [
        f"client {duplicate}: the id is used twice" for duplicate in _duplicates(_ids(clients))
    ]
    found += [
        f"client {duplicate!r}: the name is used twice"
        for duplicate in _duplicates(_names(clients))
    ]
    found += _site_problems(clients)
    children = children_of({client.id: client.parent for client in clients})
    centers = {client.id: frozenset(_ids(client.call_center)) for client in clients}
    for client in clients:
        limited = any(user.call_centers for user in client.user)
        below = family(client.id, children) if limited else ()
        seen = {one: centers[one] for one in below}
        found += [f"client {client.id}{problem}" for problem in _client_problems(client, seen)]
    return found


def _site_problems(clients: Sequence[FileClient]) -> Iterator[str]:
    parents = {client.id: client.parent for client in clients}
    for client in clients:
        if client.parent is not None and client.parent not in parents:
            yield f"client {client.id}: parent {client.parent} is not a client of this file"
        elif is_own_ancestor(client.id, parents):
            yield f"client {client.id}: parent {client.parent} is the client itself or below it"
    keys = (key_hashes(client.ingest_keys, client.ingest_key_hashes) for client in clients)
    if _duplicates(chain.from_iterable(keys)):
        yield "ingest_keys: the same key is given twice; a key belongs to one client"


def key_hashes(keys: Iterable[str], hashes: Iterable[str]) -> tuple[str, ...]:
    """Return the hashes of tokens or keys, which are declared in plain text or as hashes."""
    return tuple(sorted([digest(key) for key in keys] + [given.lower() for given in hashes]))


def _client_problems(client: FileClient, centers: CallCenterIds) -> Iterator[str]:
    if not _is_zone(client.time_zone):
        yield f": time_zone {client.time_zone!r} is not an IANA time zone such as America/New_York"
    for table, declared in (("services", client.service), ("agents", client.agent)):
        if len(declared) > (most := getattr(client.limits, table)):
            yield (
                f": limits.{table} is {most:,}, and the file declares {len(declared):,} {table};"
                f" raise limits.{table}"
            )
    yield from _duplicate_problems(client)
    yield from _key_problems(client)
    own = _ids(client.call_center)
    for service in client.service:
        if service.call_center is not None and service.call_center not in own:
            yield (
                f", service {service.id}: call_center {service.call_center} is not a"
                " call_center of this client"
            )
    for user in client.user:
        yield from (f", user {user.id}{problem}" for problem in _user_problems(user, centers))
    services = {one.name: one.id for one in client.service}
    named = {one.name: one.id for one in client.call_center}
    yield from webhook_problems(client.webhook, client.feeds, services, named)
    for agent in client.agent:
        yield from (f", agent {agent.id}{problem}" for problem in _password_problems(agent))
    alerted = [webhook.name for webhook in client.webhook if "alerts" in webhook.send]
    yield from alert_problems(client.alert, client.service, client.call_center, alerted)


def _duplicate_problems(client: FileClient) -> Iterator[str]:
    tables: tuple[tuple[str, str, Iterable[Hashable]], ...] = (
        ("call_center", "id", _ids(client.call_center)),
        ("service", "id", _ids(client.service)),
        ("service", "name", _names(client.service)),
        ("agent", "id", _ids(client.agent)),
        ("agent", "login", [agent.login for agent in client.agent]),
        ("user", "id", _ids(client.user)),
        ("user", "name", _names(client.user)),
        ("webhook", "name", _names(client.webhook)),
        ("term_code", "code", [code.code for code in client.term_code]),
        ("not_ready_reason", "reason", [one.reason for one in client.not_ready_reason]),
        ("alert", "name", _names(client.alert)),
    )
    for table, key, values in tables:
        for duplicate in _duplicates(values):
            yield f", {table} {duplicate}: the {key} is used twice"


def _key_problems(client: FileClient) -> Iterator[str]:
    for key in ("api_tokens", "ingest_keys"):
        if not all(_HEADER.fullmatch(given) for given in getattr(client, key)):
            yield f": {key} must consist of letters, digits and punctuation, without spaces"
        if any(len(given) < MIN_KEY_CHARS for given in getattr(client, key)):
            yield (
                f": {key} must have {MIN_KEY_CHARS} characters or more each; floorcast key new "
                f"creates them"
            )
    for key in ("api_token_hashes", "ingest_key_hashes"):
        if not all(_SHA256.fullmatch(given.lower()) for given in getattr(client, key)):
            yield f": {key} must be SHA-256 hashes, each of 64 hexadecimal digits"
    tokens = key_hashes(client.api_tokens, client.api_token_hashes)
    if _duplicates(tokens):
        yield ": api_tokens: the same token is given twice"
    if len(tokens) > MAX_API_TOKENS:
        yield f": api_tokens: {len(tokens)} are given; a client has at most {MAX_API_TOKENS}"


def _user_problems(user: FileUser, centers: CallCenterIds) -> Iterator[str]:
    if user.password is None and user.password_hash is None:
        yield ": password (or password_hash) is required"
    yield from _password_problems(user)
    for center in user.call_centers or ():
        if not _is_visible(center, centers):
            yield f": call_centers: {center} is not a call_center of this client or one below it"


def _is_visible(center: CallCenterRef, centers: CallCenterIds) -> bool:
    if isinstance(center, ClientCallCenter):
        return center.id in centers.get(center.client, ())
    return any(center in ids for ids in centers.values())


def _password_problems(login: FileUser | FileAgent) -> Iterator[str]:
    name = login.login if isinstance(login, FileAgent) else login.name
    if login.password is not None and (problem := password_problem(login.password, name)):
        yield f": password {problem}"
    if login.password is not None and login.password_hash is not None:
        yield ": password and password_hash are both given; remove one"
    if login.password_hash is not None and not _ARGON2ID.fullmatch(login.password_hash):
        yield ": password_hash must be an encoded Argon2id hash ($argon2id$v=19$m=…$…$…)"


def _ids(parts: Iterable[object]) -> list[int]:
    return [getattr(part, "id") for part in parts]  # noqa: B009 - parts of several classes


def _names(parts: Iterable[object]) -> list[str]:
    return [getattr(part, "name") for part in parts]  # noqa: B009 - parts of several classes


def _duplicates(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True
