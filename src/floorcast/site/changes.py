"""Describes the changes in a new site file as lines of text. Secrets appear as fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct, structs

from floorcast.site.configuration import Limits, SiteClient
from floorcast.site.digests import fingerprint

__all__ = ["Change", "differences", "pluralize"]

HIDDEN_MEMBERS = frozenset({"url", "secret", "previous_secret", "template", "filter"})
"""Webhook members whose values are not shown: secrets, URLs with possible secrets, long texts."""

_Table = Mapping[int | str, Struct]
Action = Literal["added", "changed", "removed", "kept"]


class Change(NamedTuple):
    """One difference. The action ``kept`` means that a change made by command stays in effect."""

    action: Action
    what: str
    detail: str = ""


def differences(old: SiteClient | None, new: SiteClient | None) -> Iterator[Change]:
    """Yield the differences between two declarations of a client.

    None means that the client does not exist.
    """
    if old is None or new is None:
        if new is not None:
            yield Change("added", _client(new), _summary(new))
        elif old is not None:
            yield Change("removed", _client(old), _summary(old))
        return
    own = {"name": (old.name, new.name), "parent": (old.parent, new.parent)}
    own["time_zone"] = (old.floor_config.time_zone, new.floor_config.time_zone)
    own["feeds"] = (" ".join(old.floor_config.feeds), " ".join(new.floor_config.feeds))
    own |= {
        f"limits.{field.name}": (getattr(old.limits, field.name), getattr(new.limits, field.name))
        for field in structs.fields(Limits)
    }
    if detail := _details(own):
        yield Change("changed", _client(new), detail)
    for table, before, after in _tables(old, new):
        for change in _parts(before, after):
            yield change._replace(what=f"{_client(new)}, {table} {change.what}")
    for name, was, now in (
        ("API token", old.api_tokens, new.api_tokens),
        ("ingest key", old.ingest_keys, new.ingest_keys),
    ):
        for change in _keys(was, now):
            yield change._replace(what=f"{_client(new)}, {name} {change.what}")


def pluralize(count: int, name: str) -> str:
    """Return a count with its noun: ``1 user``, ``2 users``."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _client(client: SiteClient) -> str:
    return f"client {client.id} {client.name}"


def _summary(client: SiteClient) -> str:
    counts = {
        "call center": len(client.floor_config.call_centers),
        "service": len(client.floor_config.services),
        "agent": len(client.floor_config.agents),
        "term code": len(client.floor_config.term_codes),
        "webhook": len(client.webhooks),
        "alert": len(client.floor_config.alerts),
        "user": sum(not user.agent for user in client.users),
        "API token": len(client.api_tokens),
        "ingest key": len(client.ingest_keys),
    }
    return ", ".join(pluralize(count, name) for name, count in counts.items() if count)


def _tables(old: SiteClient, new: SiteClient) -> Iterator[tuple[str, _Table, _Table]]:
    was, now = old.floor_config, new.floor_config
    yield "call center", _index_by("id", was.call_centers), _index_by("id", now.call_centers)
    yield "service", _index_by("id", was.services), _index_by("id", now.services)
    yield "agent", _index_by("id", was.agents), _index_by("id", now.agents)
    yield "webhook", _index_by("name", old.webhooks), _index_by("name", new.webhooks)
    yield "term code", _index_by("code", was.term_codes), _index_by("code", now.term_codes)
    yield "alert", _index_by("name", was.alerts), _index_by("name", now.alerts)
    for agent, name in ((False, "user"), (True, "login of agent")):
        before = [user for user in old.users if user.agent is agent]
        after = [user for user in new.users if user.agent is agent]
        yield name, _index_by("id", before), _index_by("id", after)


def _index_by(key: str, parts: Iterable[Struct]) -> _Table:
    return {getattr(part, key): part for part in parts}


def _parts(old: _Table, new: _Table) -> Iterator[Change]:
    for key in sorted({*old, *new}, key=lambda key: f"{key:>20}"):
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            yield Change("added", _name(key, after))
        elif after is None and before is not None:
            yield Change("removed", _name(key, before))
        elif before is not None and after is not None and before != after:
            fields = structs.fields(type(after))
            pairs = {
                field.name: (getattr(before, field.name), getattr(after, field.name))
                for field in fields
            }
            yield Change("changed", _name(key, after), _details(pairs))


def _name(key: object, part: Struct) -> str:
    name = getattr(part, "name", None) or getattr(part, "login", None)
    return f"{key} {name}" if name and name != key else str(key)


def _details(pairs: Mapping[str, tuple[object, object]]) -> str:
    texts = []
    for name, (before, after) in pairs.items():
        if before == after:
            continue
        if name == "password_hash":
            texts.append("password")
        elif name in HIDDEN_MEMBERS:
            texts.append(name)
        else:
            texts.append(f"{name} {_format_value(before)} → {_format_value(after)}")
    return ", ".join(texts)


def _format_value(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def _keys(old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    for key in sorted(set(new) - set(old)):
        yield Change("added", fingerprint(key))
    for key in sorted(set(old) - set(new)):
        yield Change("removed", fingerprint(key))
