"""``floorcast cluster config``: a configuration for each NATS server of a new cluster.

The servers authenticate each other with a password and certificates. floorcast has its own account,
with only the permissions that it needs. Each message is flushed before it is acknowledged.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Ports", "Secrets", "ServerLayout", "nats_config", "new_secrets"]

TEMPLATE = """\
server_name: {name}
listen: {listen}:{ports.clients}
client_advertise: "{host}:{ports.clients}"  # the name in its certificate, not its IP address
http: 127.0.0.1:{ports.monitor}

jetstream {{
  store_dir: "{store}"
  max_file: {max_file}
  sync_interval: always  # flush each message before it is acknowledged
}}

tls {{  # nodes connect with tls://
  cert_file: "{tls}/server.pem"
  key_file: "{tls}/server.key"
}}

cluster {{
  name: floorcast
  listen: {listen}:{ports.routes}
  advertise: "{host}:{ports.routes}"
  authorization {{ user: route, password: "{secrets.route}" }}
  tls {{  # certificates of both sides, signed by your own authority
    cert_file: "{tls}/server.pem"
    key_file: "{tls}/server.key"
    ca_file: "{tls}/ca.pem"
    verify: true
  }}
  routes: [
{routes}
  ]
}}

accounts {{
  floorcast: {{
    jetstream: enabled
    users: [{{
      user: floorcast, password: "{secrets.floorcast}"
      permissions: {{
        publish: ["$JS.API.>", "$KV.FLOORCAST.>", "floorcast.>", "_INBOX.>"]
        subscribe: ["floorcast.>", "_INBOX.>"]
      }}
    }}]
  }}
  SYS: {{ users: [{{ user: admin, password: "{secrets.admin}" }}] }}
}}
system_account: SYS
"""


class Secrets(NamedTuple):
    """A cluster's passwords: for its servers, for floorcast, and for the administrator."""

    route: str
    floorcast: str
    admin: str


class Ports(NamedTuple):
    """A server's ports."""

    clients: int = 4222
    routes: int = 6222
    monitor: int = 8222


class ServerLayout(NamedTuple):
    """A server's addresses, its folders for messages and certificates, and its storage limit.

    Other servers and nodes connect to ``host``, which defaults to the server's name.
    """

    listen: str = "0.0.0.0"  # noqa: S104 — a server of a cluster serves other machines
    store: str = "/var/lib/nats"
    max_file: str = "100GB"
    tls: str = "/etc/nats"
    host: str = ""


def new_secrets() -> Secrets:
    """Return random passwords."""
    return Secrets(*(secrets.token_urlsafe(24) for _ in Secrets._fields))


def nats_config(
    name: str,
    servers: Sequence[tuple[str, int]],
    passwords: Secrets,
    ports: Ports | None = None,
    layout: ServerLayout | None = None,
) -> str:
    """Return the configuration of the server ``name``.

    ``servers`` contains the hosts of all servers and their route ports.
    """
    lines = [f"    nats-route://route:{passwords.route}@{host}:{port}" for host, port in servers]
    layout = layout or ServerLayout()
    return TEMPLATE.format(
        name=name,
        secrets=passwords,
        ports=ports or Ports(),
        routes="\n".join(lines),
        **layout._replace(host=layout.host or name)._asdict(),
    )
