"""Sites for tests: a small site as a file, and random sites."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from floorcast.auth.passwords import Hasher
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import KeyValueStore
from floorcast.site.apply import apply
from floorcast.site.changes import Change
from floorcast.site.configuration import CallCenter, Service, TermCode
from floorcast.site.consistency import problems
from floorcast.site.file_reader import SiteFile, parse
from floorcast.site.file_schema import FileAgent, FileClient, FileUser

T = TypeVar("T")

CHEAP = Hasher(memory_kib=8, passes=1)

SMALL = """
[[client]]
id = 1
name = "ACME"
time_zone = "America/New_York"
feeds = ["agent", "interaction"]
api_tokens = ["test-token-of-acme-01"]
ingest_keys = ["ingest-key-of-acme-01"]
call_center = [{id = 11, name = "North"}, {id = 12, name = "South"}]
service = [{id = 101, name = "Sales", call_center = 11}, {id = 102, name = "Help"}]
agent = [{id = 201, login = "ANN", password = "ann's own secret"}, {id = 202, login = "BOB"}]
term_code = [{code = "Paid", category = "rpcComplete"}]
user = [
    {id = 301, name = "reports", password = "correct horse", role = "Sysadmin"},
    {id = 302, name = "north", password = "battery staple", role = "Manager", call_centers = [11]},
]

[[client]]
id = 2
name = "ACME West"
parent = 1
api_tokens = ["test-token-of-acme-02"]
call_center = [{id = 21, name = "West"}]
"""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new event loop. Returns its result."""
    return asyncio.run(work)


def apply_text(text: str, kv: KeyValueStore) -> list[Change]:
    """Apply the text of a site file, with cheap hashes. Returns the changes."""
    return run(apply(kv, parse(text), CHEAP))


def small_store() -> MemoryKeyValueStore:
    """Return a new store that contains the small site."""
    kv = MemoryKeyValueStore()
    apply_text(SMALL, kv)
    return kv


def site_file(clients: Sequence[FileClient]) -> SiteFile:
    """Return the file that declares these clients."""
    return SiteFile(tuple(clients), sha256(msgspec.json.encode(list(clients))).hexdigest())


NAMES = st.sampled_from(["A", "b b", "Ü", "x'; --", "0"])
PASSWORDS = st.sampled_from(["password one", "password two", "password three"])
CENTERS = st.lists(
    st.builds(CallCenter, id=st.integers(0, 3), name=NAMES),
    max_size=3,
    unique_by=lambda one: one.id,
)
TERM_CODES = st.lists(
    st.builds(TermCode, code=NAMES, category=st.sampled_from(["wpc", "nonContacts"])),
    max_size=2,
    unique_by=lambda one: one.code,
)


def _services(centers: Sequence[CallCenter]) -> st.SearchStrategy[list[Service]]:
    service = st.builds(
        Service,
        id=st.integers(0, 3),
        name=NAMES,
        call_center=st.sampled_from([None, *(center.id for center in centers)]),
        sla_seconds=st.integers(0, 2),
        units=st.sampled_from([None, "calls"]),
    )
    return st.lists(service, max_size=3, unique_by=(lambda one: one.id, lambda one: one.name))


AGENTS = st.lists(
    st.builds(
        FileAgent,
        id=st.integers(0, 3),
        login=NAMES,
        name=st.none() | NAMES,
        team=st.none() | st.integers(0, 1),
        password=st.none() | PASSWORDS,
    ),
    max_size=3,
    unique_by=(lambda one: one.id, lambda one: one.login),
)


def _users(centers: Sequence[CallCenter]) -> st.SearchStrategy[list[FileUser]]:
    ids = [center.id for center in centers]
    limits = st.none() | (st.lists(st.sampled_from(ids)) if ids else st.just([]))
    user = st.builds(
        FileUser,
        id=st.integers(0, 3),
        name=NAMES,
        password=PASSWORDS,
        role=st.sampled_from(["Sysadmin", "IT User"]),
        call_centers=limits.map(lambda found: None if found is None else tuple(found)),
    )
    return st.lists(user, max_size=3, unique_by=(lambda one: one.id, lambda one: one.name))


@st.composite
def _client(draw: st.DrawFn, number: int) -> FileClient:
    centers = draw(CENTERS)
    return FileClient(
        id=number,
        name=f"client {number} {draw(NAMES)}",
        time_zone=draw(st.sampled_from(["UTC", "Asia/Kathmandu"])),
        feeds=tuple(draw(st.lists(st.sampled_from(["agent", "interaction"])))),
        parent=draw(st.sampled_from([None, 1])) if number > 1 else None,
        api_tokens=tuple(
            f"api-token-{token}" * 2 for token in draw(st.sets(st.sampled_from("st")))
        ),
        ingest_keys=tuple(
            f"ingest-key-{key}{number}" * 2 for key in draw(st.sets(st.sampled_from("kl")))
        ),
        call_center=tuple(centers),
        service=tuple(draw(_services(centers))),
        agent=tuple(draw(AGENTS)),
        term_code=tuple(draw(TERM_CODES)),
        user=tuple(draw(_users(centers))),
    )


@st.composite
def site_files(draw: st.DrawFn) -> SiteFile:
    """Draw any valid site file with up to three clients."""
    clients = [draw(_client(number)) for number in range(1, draw(st.integers(1, 4)))]
    order = draw(st.permutations(clients))
    assert not problems(order)
    return site_file(order)


HOOK_SECRET = "whsec_" + "QUFB" * 10


def with_webhook(**members: str) -> str:
    """Return the small site as TOML, in which the first client has a webhook with these members."""
    given = {
        "name": '"ops"',
        "url": '"https://example.org/a-secret-path"',
        "secret": f'"{HOOK_SECRET}"',
        "send": '["interaction"]',
    }
    table = "\n".join(f"{key} = {value}" for key, value in (given | members).items() if value)
    first, second = SMALL.split("[[client]]\nid = 2")
    return f"{first}[[client.webhook]]\n{table}\n\n[[client]]\nid = 2{second}"
