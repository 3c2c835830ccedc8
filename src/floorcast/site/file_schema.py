"""The tables of a site file (section 10 of the contract)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from floorcast.site.alert_file import FileAlert, alert_rules
from floorcast.site.configuration import (
    Agent,
    CallCenter,
    CallCenterRef,
    DeclaredFeed,
    FloorConfig,
    Id,
    Limits,
    Name,
    NotReadyReason,
    Role,
    Service,
    TermCode,
    sort_call_centers,
)
from floorcast.site.webhooks import Webhook, resolve_names

__all__ = ["DeclaredLogin", "FileAgent", "FileClient", "FileUser", "SiteTables"]

Password = Annotated[str, Meta(min_length=1, max_length=1024)]
Key = Annotated[str, Meta(min_length=1, max_length=1024)]
PasswordHash = Annotated[str, Meta(min_length=1, max_length=512)]


class FileAgent(Agent, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An agent as declared in the file. Agents with a password can log in."""

    password: Password | None = None
    password_hash: PasswordHash | None = None


class FileUser(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A user as declared in the file, with either ``password`` or ``password_hash``."""

    id: Id
    name: Name
    password: Password | None = None
    password_hash: PasswordHash | None = None
    role: Role
    call_centers: tuple[CallCenterRef, ...] | None = None


class DeclaredLogin(NamedTuple):
    """A user or agent who can log in, with the password as declared in the file."""

    id: int
    name: str
    role: Role
    call_centers: tuple[CallCenterRef, ...] | None
    agent: bool
    password: str | None
    password_hash: str | None


class FileClient(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[client]]`` and its tables, as written in the file."""

    id: Id
    name: Name
    time_zone: Name = "UTC"
    feeds: tuple[DeclaredFeed, ...] = ()
    parent: Id | None = None
    limits: Limits = Limits()
    api_tokens: tuple[Key, ...] = ()
    api_token_hashes: tuple[Key, ...] = ()
    ingest_keys: tuple[Key, ...] = ()
    ingest_key_hashes: tuple[Key, ...] = ()
    call_center: tuple[CallCenter, ...] = ()
    service: tuple[Service, ...] = ()
    agent: tuple[FileAgent, ...] = ()
    term_code: tuple[TermCode, ...] = ()
    not_ready_reason: tuple[NotReadyReason, ...] = ()
    user: tuple[FileUser, ...] = ()
    webhook: tuple[Webhook, ...] = ()

    def webhooks(self) -> tuple[Webhook, ...]:
        """Return the webhooks, sorted by name, with ids instead of names in their filters."""
        services = {one.name: one.id for one in self.service}
        centers = {one.name: one.id for one in self.call_center}
        found = (resolve_names(one, services, centers) for one in self.webhook)
        return tuple(sorted(found, key=lambda one: one.name))

    alert: tuple[FileAlert, ...] = ()

    def floor_config(self) -> FloorConfig:
        """Return the floor configuration. Its order does not depend on the order in the file."""
        agents = (
            Agent(id=one.id, login=one.login, name=one.name, team=one.team) for one in self.agent
        )
        return FloorConfig(
            time_zone=self.time_zone,
            feeds=tuple(sorted(set(self.feeds))),
            call_centers=tuple(sorted(self.call_center, key=lambda one: one.id)),
            services=tuple(sorted(self.service, key=lambda one: one.id)),
            agents=tuple(sorted(agents, key=lambda one: one.id)),
            term_codes=tuple(sorted(self.term_code, key=lambda one: one.code)),
            not_ready_reasons=tuple(sorted(self.not_ready_reason, key=lambda one: one.reason)),
            alerts=alert_rules(self.alert, self.service, self.call_center),
        )

    def logins(self) -> Iterator[DeclaredLogin]:
        """Yield the declared logins: users by id, then agents with a password by id."""
        for user in sorted(self.user, key=lambda one: one.id):
            yield DeclaredLogin(
                user.id,
                user.name,
                user.role,
                None if user.call_centers is None else sort_call_centers(user.call_centers),
                False,
                user.password,
                user.password_hash,
            )
        for agent in sorted(self.agent, key=lambda one: one.id):
            if agent.password or agent.password_hash:
                secret = agent.password, agent.password_hash
                yield DeclaredLogin(agent.id, agent.login, "Agent", None, True, *secret)


class SiteTables(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole site file."""

    client: tuple[FileClient, ...] = ()
