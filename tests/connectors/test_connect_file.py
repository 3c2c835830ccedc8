"""Tests of ``connect.toml`` and the options that override it."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.connectors.connect_file import read_connect_file, read_secret
from floorcast.model.errors import SettingError

TOML = """
url = "https://reports.example.com"
key_file = "key"
metrics_port = 9464

[asterisk]
ami = "pbx:5038"
ami_user = "floorcast"
queue_log = "/var/log/asterisk/queue_log"
source = "pbx-1"
did_variable = "DID"

[asterisk.services]
5001 = "Sales"

[asterisk.wrap_up_seconds]
"*" = 5
sales = 20
"""


def write_config(folder: Path, text: str = TOML) -> Path:
    path = folder / "connect.toml"
    path.write_text(text, "utf-8")
    return path


def test_options_override_the_file(tmp_path: Path) -> None:
    """Options override the file. Paths in the file are relative to it."""
    found = read_connect_file(
        write_config(tmp_path),
        {"ami": "other", "metrics_port": "80", "spool": "x.db", "source": "p"},
    )
    assert (found.url, found.metrics_port, found.spool) == (
        "https://reports.example.com",
        80,
        "x.db",
    )
    assert found.key_file == str(tmp_path / "key")
    assert found.asterisk is not None
    assert (found.asterisk.ami, found.asterisk.ami_user) == ("other", "floorcast")
    assert found.asterisk.queue_log == "/var/log/asterisk/queue_log"
    mapping = found.asterisk.mapping()
    assert (mapping.source, mapping.did_variable) == ("p", "DID")
    assert mapping.service("5001") == "Sales"
    assert mapping.service("5002") == "5002"
    assert [mapping.wrap_up(queue) for queue in ("sales", "5001")] == [20.0, 5.0]


def test_the_file_is_optional(tmp_path: Path) -> None:
    """Options are sufficient without a file."""
    found = read_connect_file(None, {"queue_log": "log", "key": "k"})
    assert found.asterisk is not None
    assert (found.asterisk.queue_log, found.key, found.spool) == ("log", "k", "connect.db")
    assert read_connect_file(None, {}).asterisk is None


def test_each_kind_has_its_own_table(tmp_path: Path) -> None:
    """Options are added to the table of their kind, which also gives the default source."""
    text = "[freeswitch]\nesl = 'pbx'\nesl_password_file = 'p'\n[freeswitch.services]\na = 'b'\n"
    found = read_connect_file(write_config(tmp_path, text), {"esl_user": "reader@pbx"}).freeswitch
    assert found is not None
    assert (found.esl, found.esl_user) == ("pbx", "reader@pbx")
    assert found.esl_password_file == str(tmp_path / "p")
    assert (found.mapping().source, found.mapping().service("a")) == ("freeswitch", "b")
    both = write_config(tmp_path, text + "[asterisk]\nqueue_log = 'q'\n")
    with pytest.raises(SettingError, match=r"has \[asterisk\] and \[freeswitch\]"):
        read_connect_file(both, {})
    found = read_connect_file(both, {"source": "east"}, "freeswitch").freeswitch
    assert found is not None
    assert found.source == "east"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("urll = 'x'", r"the file has no key urll; did you mean url\?"),
        ("[asterisk]\nserveses = {}", r"\[asterisk\] has no key serveses; did you mean ser"),
        ("[asterisk]\nami = 5", r"\[asterisk\] ami must be a string, not 5"),
        ("asterisk = 5", "connect.toml: asterisk must be a table, not 5"),
        ("key = 5", "key must be a string$"),
        ("metrics_port = 'x'", "metrics_port must be a whole number from 0 to 65,535, not 'x'"),
        (
            "[livevox]\npoll_seconds = 9999",
            r"\[livevox\] poll_seconds must be a number from 0 to 3,600, not 9999",
        ),
        (
            "[asterisk.wrap_up_seconds]\nsales = 'x'",
            r"\[asterisk.wrap_up_seconds\] sales must be a number from 0 to 86,400, not 'x'",
        ),
        (
            "[asterisk.wrap_up_seconds]\na = 1\n'*' = nan",
            r"\[asterisk.wrap_up_seconds\] \* must be a number from 0 to 86,400, not nan",
        ),
        (
            "[asterisk.services]\n5001 = 'a'\n5002 = ''",
            r"\[asterisk.services\] 5002 must be a string of 1 to 256 characters, not ''",
        ),
        ("[freeswitch.agents]\na = ''", r"\[freeswitch.agents\] a must be a string of 1 to 256"),
        ("[freeswitch.home_queues]\na = ''", r"\[freeswitch.home_queues\] a must be a string of"),
        ("spool = ''", "spool must be a string of 1 to 4,096 characters, not ''"),
        ("metrics_host = ''", "metrics_host must be a string of 1 to 253 characters, not ''"),
        ("[asterisk", "cannot be read as TOML"),
    ],
)
def test_an_error_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    """An error names the invalid key and the file."""
    with pytest.raises(SettingError, match=message) as caught:
        read_connect_file(write_config(tmp_path, text), {})
    assert "connect.toml" in str(caught.value)


def test_a_secret_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """A secret is the first line of its file. An empty file is refused."""
    (tmp_path / "secret").write_text("s3cret\n# of the PBX\n")
    (tmp_path / "empty").write_text("\n")
    assert read_secret(str(tmp_path / "secret")) == "s3cret"
    for name in ("empty", "nowhere"):
        with pytest.raises(SettingError, match=name):
            read_secret(str(tmp_path / name))
