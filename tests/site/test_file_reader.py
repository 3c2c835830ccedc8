"""Tests that read valid and invalid site files."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.errors import SettingError
from floorcast.site.file_reader import MAX_PROBLEMS, parse, read

EXAMPLE = Path(str(files("floorcast"))) / "example_site.toml"

CONTRACT = """
[[client]]
id = 47415
name = "ACME"                       # the client code of the login
time_zone = "America/New_York"
feeds = ["agent", "interaction"]    # switched on; parent = 1 makes it a child client
api_tokens = ["2c1b5e7f90a1b2c3d4e5f6"]  # LV-Access
ingest_keys = ["9f3e5e7f90a1b2c3d4e5f6"]

[[client.call_center]]
id = 1623
name = "Call Center"

[[client.service]]
id = 38049
name = "Manual (Manual 4)"
call_center = 1623
sla_seconds = 20
service_level = "excluding_abandons_within_sla"
pacing_method = "Max CIP"
throttle = "750"
units = "calls"
max_hold_time = 30

[[client.agent]]
id = 393601
login = "VKUMARK"
name = "VINAY K"
team = 1234
password = "long enough a secret"

[[client.term_code]]                # category: rpcComplete, rpcIncomplete, wpc, nonContacts
code = "Promise to pay"
category = "rpcComplete"

[[client.user]]
id = 9001
name = "reports"
password = "long enough a secret"
role = "Sysadmin"                   # call_centers = [1623] limits what it sees
"""


def test_the_contracts_example_is_read() -> None:
    """The file in the contract's section 10 can be read, apart from its shortened secrets."""
    (client,) = parse(CONTRACT).clients
    assert (client.id, client.name, client.time_zone) == (47415, "ACME", "America/New_York")
    assert client.floor_config().feeds == ("agent", "interaction")
    assert client.service[0].max_hold_time == 30
    assert [login[:5] for login in client.logins()] == [
        (9001, "reports", "Sysadmin", None, False),
        (393601, "VKUMARK", "Agent", None, True),
    ]


def test_the_example_site_is_valid() -> None:
    """The demo's site has the bank's services, two users, and both feeds."""
    (client,) = read(EXAMPLE).clients
    assert {"PS", "PE", "IN", "NE", "NW", "TT"} <= {service.name for service in client.service}
    assert {user.name: user.role for user in client.user}["reports"] == "Sysadmin"
    assert client.floor_config().feeds == ("agent", "interaction")


WRONG = [
    ("", "x = 1", "there is no key 'x' here"),
    ("", "client = 3", "client must be a list of tables (in double brackets), not 3"),
    ("", "client = [3]", "client[0] must be a table, not 3"),
    ("", '[[client]]\nname = "A"', "client A: id is required"),
    ("", "[[client]]\nagent = [{}]\nid = 1", "client 1, agent number 1: id is required"),
    (
        "id = 47415",
        "id = -1",
        "client -1: id must be a whole number from 0 to 9,007,199,254,740,992",
    ),
    ("id = 47415", "id = true", "client True: id must be a whole number"),
    ("id = 47415", "id = 1.0", "client ACME: id must be a whole number from 0 to 9,007"),
    ("id = 38049", "id = '38049'", "client 47415, service 38049: id must be a whole number"),
    ('"agent", "interaction"', '"agnet"', "client 47415: feeds[0] must be agent or inter"),
    ('["agent", "interaction"]', '"agent"', "client 47415: feeds must be a list, each a"),
    (
        "sla_seconds = 20",
        "sla_seconds = 'x'",
        "client 47415, service 38049: sla_seconds must be a whole number from 0 to 86,400, not 'x'",
    ),
    ("sla_seconds = 20", "sla = 20", "client 47415, service 38049: there is no key 'sla' here"),
    (
        'service_level = "excluding',
        'service_level = "ex',
        "client 47415, service 38049: service_level must be answered_of_answered, ",
    ),
    ('code = "Promise to pay"', "code = ''", "term_code : code must be a string of 1 to 256 char"),
    ('category = "rpcComplete"', "", "client 47415, term_code Promise to pay: category is requ"),
    ('role = "Sysadmin"', 'role = "Boss"', "user 9001: role must be Agent, Auditor, IT U"),
    ('name = "ACME"', "name = 2020-01-01", "client 47415: name must be a string of 1 to 256 char"),
    ("max_hold_time = 30", f"max_hold_time = {10**30}", "service 38049: max_hold_time must be a"),
    ("id = 1623", "id = ", "this is not TOML: Invalid value (at line 11, column 6)"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[wrong[1] for wrong in WRONG])
def test_each_error_names_its_place(old: str, new: str, message: str) -> None:
    """The message names the table, the key and the expected value."""
    with pytest.raises(SettingError) as caught:
        parse(CONTRACT.replace(old, new, 1) if old else new)
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["api_tokens", "ingest_keys", "api_token_hashes"])
def test_an_invalid_secret_is_not_repeated(key: str) -> None:
    """The error message does not contain the secret."""
    with pytest.raises(SettingError, match=key) as caught:
        parse(f'[[client]]\nid = 1\nname = "A"\n{key} = "hush"')
    assert "hush" not in str(caught.value)


def test_error_messages_name_the_file(tmp_path: Path) -> None:
    """The message names the file once, and has an aligned line for each mistake."""
    path = tmp_path / "site.toml"
    path.write_text('[[client]]\nid = 1\nname = "A"\nparent = 2\ntime_zone = "Mars/Base"')
    with pytest.raises(SettingError) as caught:
        read(path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"{path} has these mistakes:"
    assert [line.startswith("  client 1: ") for line in lines] == [True, True]
    path.write_text('[[client]]\nid = 1\nname = "A"\nparent = 2')
    with pytest.raises(SettingError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: client 1: parent 2 is not a client of this file"
    path.write_bytes(b"\xff")
    for unreadable in (path, tmp_path, tmp_path / "none.toml"):
        with pytest.raises(SettingError, match="cannot be read") as caught:
            read(unreadable)
        assert str(caught.value).count(str(unreadable)) == 1


def test_the_number_of_listed_errors_is_limited() -> None:
    """The message lists the first twenty errors and the number of further errors."""
    users = "".join(
        f'[[client.user]]\nid = {number}\nname = "{number}"\nrole = "Auditor"\n'
        for number in range(50)
    )
    with pytest.raises(SettingError) as caught:
        parse(f'[[client]]\nid = 1\nname = "A"\n{users}')
    lines = str(caught.value).splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == "… and 30 more"


KEYS = st.sampled_from(["client", "id", "name", "service", "agent", "user", "feeds", "role", "x"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_toml(value: object) -> str:
    """Return a value in TOML's inline notation."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(one):08x}" for one in value) + '"'
    return {True: "true", False: "false", None: "''"}.get(value, str(value))  # type: ignore[call-overload, no-any-return]  # numbers are written as they are


@given(st.dictionaries(KEYS, JUNK, max_size=3))
def test_any_toml_is_read_or_refused(tables: dict[str, object]) -> None:
    """Any TOML document either is a site or raises a ``SettingError``."""
    text = "\n".join(f"{key} = {as_toml(value)}" for key, value in tables.items())
    with suppress(SettingError):
        parse(text)


def test_all_errors_of_a_file_are_listed_at_once_with_suggestions() -> None:
    """The message lists wrong types and unknown or missing keys once, and suggests valid keys."""
    text = (
        CONTRACT.replace("sla_seconds = 20", "sla_second = 20")
        .replace('time_zone = "America/New_York"', "time_zone = 5")
        .replace('role = "Sysadmin"', 'role = "Boss"')
        .replace("team = 1234", "teem = 1234")
        .replace('category = "rpcComplete"', "")
    )
    with pytest.raises(SettingError) as caught:
        parse("clients = 3\n" + text)
    messages = str(caught.value).splitlines()
    wanted = [
        "client 47415: time_zone must be a string of 1 to 256 characters, not 5",
        "client 47415, service 38049: there is no key 'sla_second' here; did you mean sla_seconds?",
        "client 47415, agent 393601: there is no key 'teem' here; did you mean team?",
        "client 47415, term_code Promise to pay: category is required",
        "client 47415, user 9001: role must be ",
    ]
    assert len(messages) == len(wanted) + 1, messages
    assert all(any(line.startswith(one) for line in messages) for one in wanted)
    assert any("there is no key 'clients' here" in line for line in messages)


def test_a_mistake_does_not_hide_those_in_other_tables() -> None:
    """Wrong types, unknown keys and inconsistent tables are listed together, each once."""
    text = """
        id = "x"
        [[client]]
        id = 1
        name = "A"
        time_zone = "Mars/Base"
        [[client.service]]
        id = 100
        name = "S"
        sla_seconds = "x"
        [[client.service]]
        id = 101
        name = "T"
        call_center = 9
        [[client.alert]]
        figure = "cip"
        above = 1
        [[client.alert]]
        figure = "cip"
        above = 1
        [[client.alert]]
        name = "b"
        figure = "cip"
        above = 1
        hours = 5
        [[client.alert]]
        name = "c"
        figure = "cip"
        above = 1
        service = ["Unknown"]
        [[client]]
        id = "x"
        name = "B"
        [[client.service]]
        id = 1
    """
    with pytest.raises(SettingError) as caught:
        parse(text)
    assert str(caught.value).splitlines() == [
        "there is no key 'id' here",
        "client 1, service 100: sla_seconds must be a whole number from 0 to 86,400, not 'x'",
        "client 1, alert number 1: name is required",
        "client 1, alert number 2: name is required",
        "client 1, alert b: hours must be a string, not 5",
        "client x: id must be a whole number from 0 to 9,007,199,254,740,992, not 'x'",
        "client x, service 1: name is required",
        "client 1: time_zone 'Mars/Base' is not an IANA time zone such as America/New_York",
        "client 1, service 101: call_center 9 is not a call_center of this client",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "Manual (Manual 4)"', "name = 1", "service 38049: name must be a string"),
        ("id = 1623", "id = 'x'", "call_center x: id must be a whole number"),
        ('password = "long enough a secret"', "password = 1", "agent 393601: password must be"),
        ('role = "Sysadmin"', 'rolle = "Sysadmin"', "user 9001: there is no key 'rolle' here"),
    ],
)
def test_consequences_of_a_mistake_are_not_listed(old: str, new: str, message: str) -> None:
    """The file has no line that correcting the mistake would remove."""
    alert = (
        '[[client.alert]]\nname = "a"\nfigure = "cip"\nabove = 1\nservice = ["Manual (Manual 4)"]'
    )
    with pytest.raises(SettingError) as caught:
        parse(f"{CONTRACT}\n{alert}".replace(old, new, 1))
    lines = str(caught.value).splitlines()
    assert message in lines[0]
    assert [line for line in lines if "required" not in line] == lines[:1]


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "[a" + ".a" * 100_000 + "]",
        "x = {a" + " . 'b'" * 50_000 + " = 1}",
    ],
    ids=["key", "table", "inline"],
)
def test_a_key_with_thousands_of_parts_is_refused_immediately(text: str) -> None:
    """Python's TOML reader needs quadratic time, which is minutes for a file of 200 KB."""
    with pytest.raises(SettingError, match="a key has more than 16 parts"):
        parse(text)


@pytest.mark.parametrize(
    "text", ['name = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t"', "[client.limits]"]
)
def test_dots_in_a_string_do_not_split_a_key(text: str) -> None:
    """Dots in a quoted string do not count as separators of a key's parts."""
    with pytest.raises(SettingError) as caught:
        parse(text)
    assert "parts" not in str(caught.value)


def test_an_endless_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device, or any other file that is too large, is refused."""
    monkeypatch.setattr("floorcast.site.file_reader.MAX_FILE_BYTES", 1 << 20)
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with pytest.raises(SettingError, match="it has more than 1 MiB"):
        read(tmp_path / "zero.toml")
