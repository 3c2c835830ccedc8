"""Tests of the sources of settings: their precedence, and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.config.settings import Settings
from floorcast.config.sources import load, read_sources
from floorcast.model.errors import SettingError


def test_defaults_apply_if_nothing_is_set(tmp_path: Path) -> None:
    """Without flags, environment variables and a file, the contract's defaults apply."""
    settings = load(environ={}, folder=tmp_path)
    assert settings == Settings()
    assert (settings.host, settings.port, settings.log) == ("127.0.0.1", 8080, "embedded")


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    """A flag overrides an environment variable, which overrides the file."""
    (tmp_path / "floorcast.toml").write_text('port = 1\nhost = "file"\nlog_level = "error"\n')
    environ = {"FLOORCAST_PORT": "2", "FLOORCAST_HOST": "env", "HOME": "/", "FLOORCASTLE": "x"}
    settings = load({"port": 3, "host": None}, environ=environ, folder=tmp_path)
    assert (settings.port, settings.host, settings.log_level) == (3, "env", "error")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """A blank variable, which is common in service files, counts as not set."""
    assert load(environ={"FLOORCAST_PORT": " "}, folder=tmp_path).port == 8080


def test_another_file_can_be_named(tmp_path: Path) -> None:
    """``--config`` takes precedence over FLOORCAST_CONFIG. The file must exist."""
    (tmp_path / "a.toml").write_text("port = 1")
    (tmp_path / "b.toml").write_text("port = 2")
    environ = {"FLOORCAST_CONFIG": str(tmp_path / "a.toml")}
    assert load(environ=environ, folder=tmp_path).port == 1
    assert load({"config": Path("b.toml")}, environ=environ, folder=tmp_path).port == 2
    with pytest.raises(SettingError, match=r"c\.toml: there is no such file"):
        load({"config": Path("c.toml")}, environ={}, folder=tmp_path)


def test_a_path_in_the_file_is_relative_to_the_file(tmp_path: Path) -> None:
    """A relative path in the file starts at the file's folder.

    A relative path on the command line starts at the current folder.
    """
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "f.toml").write_text('data = "data"\nsite = "/srv/site.toml"')
    settings = load({"config": "etc/f.toml"}, environ={}, folder=tmp_path)
    assert settings.data == tmp_path / "etc" / "data"
    assert settings.site == Path("/srv/site.toml")
    assert load({"data": "data"}, environ={}, folder=tmp_path).data == Path("data")
    (tmp_path / "etc" / "f.toml").write_text('data = ":memory:"')
    assert load({"config": "etc/f.toml"}, environ={}, folder=tmp_path).data == Path(":memory:")


@pytest.mark.parametrize(
    ("environ", "file", "flags", "message"),
    [
        (
            {"FLOORCAST_PROT": "1"},
            "",
            {},
            "FLOORCAST_PROT in the environment: there is no such.*did you mean FLOORCAST_PORT?",
        ),
        ({"FLOORCAST_Port": "1"}, "", {}, "FLOORCAST_Port in the environment: there is no such"),
        ({"FLOORCAST_": "1"}, "", {}, "FLOORCAST_ in the environment: there is no such"),
        ({}, "prot = 1", {}, "floorcast.toml: there is no setting 'prot'; did you mean port?"),
        ({}, "[serve]\nport = 1", {}, "floorcast.toml: there is no setting 'serve'"),
        ({}, 'config = "x"', {}, "floorcast.toml: there is no setting 'config'"),
        ({}, "port = ", {}, "floorcast.toml cannot be read as TOML"),
        (
            {"FLOORCAST_PORT": "http"},
            "",
            {},
            "FLOORCAST_PORT in the environment: must be a whole.* from 0 to 65,535, not 'http'",
        ),
        ({}, "port = 1.5", {}, "floorcast.toml: must be a whole number from 0 to 65,535, not 1.5"),
        ({}, "", {"rate_limit": -1}, "--rate-limit: must be a whole number from 0"),
        ({}, 'log = "nats://me:secret@a@b"', {}, "floorcast.toml: must be embedded, or nats://"),
        ({}, "ring_bytes = 5", {}, "ring_bytes in .*floorcast.toml: must be a size in bytes"),
    ],
)
def test_an_invalid_setting_names_its_source(
    tmp_path: Path,
    environ: dict[str, str],
    file: str,
    flags: dict[str, object],
    message: str,
) -> None:
    """The error for an unknown or invalid setting names the source and the valid values."""
    (tmp_path / "floorcast.toml").write_text(file)
    with pytest.raises(SettingError) as caught:
        load(flags, environ=environ, folder=tmp_path)
    for part in message.split(".*"):
        assert part in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_text_is_a_setting_error(tmp_path: Path) -> None:
    """A file that is not UTF-8, and a folder instead of a file, raise a ``SettingError``."""
    (tmp_path / "f.toml").write_bytes(b"port = 1\n\xff\xfe")
    with pytest.raises(SettingError, match="cannot be read as TOML: line 2 is not UTF-8"):
        load({"config": tmp_path / "f.toml"}, environ={}, folder=tmp_path)
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        load({"config": tmp_path}, environ={}, folder=tmp_path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "floorcast.toml").write_text("port = 81", "utf-8-sig")
    assert load({}, environ={}, folder=tmp_path).port == 81


def test_a_value_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Neither a database nor a host can have such a name."""
    with pytest.raises(SettingError, match="FLOORCAST_DATA in the environment: must be UTF-8"):
        load({}, environ={"FLOORCAST_DATA": "caf\udce9"}, folder=tmp_path)
    with pytest.raises(SettingError, match="--host: must be UTF-8"):
        load({"host": "caf\udce9"}, environ={}, folder=tmp_path)


def test_options_of_other_commands_are_accepted(tmp_path: Path) -> None:
    """An option of another command is accepted, and its value and source can be queried."""
    (tmp_path / "floorcast.toml").write_text('url = "http://file"')
    environ = {"FLOORCAST_SPEED": "max"}
    load(environ=environ, folder=tmp_path, known={"url", "speed"})
    found = read_sources({"url": "u"}, environ=environ, folder=tmp_path, known={"url", "speed"})
    assert {name: (value.value, value.where) for name, value in found.items()} == {
        "url": ("u", "--url"),
        "speed": ("max", "FLOORCAST_SPEED in the environment"),
    }
    with pytest.raises(SettingError, match="FLOORCAST_SPEED"):
        load(environ=environ, folder=tmp_path)


def test_an_overridden_value_is_not_checked(tmp_path: Path) -> None:
    """Only the effective value of a setting must be valid."""
    (tmp_path / "floorcast.toml").write_text('port = "x"')
    assert load({"port": 1}, environ={"FLOORCAST_PORT": "y"}, folder=tmp_path).port == 1
