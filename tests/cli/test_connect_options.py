"""Tests of the options of ``floorcast connect``'s subcommands."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
import typer
from msgspec import Struct

from floorcast.cli.connect_asterisk import AsteriskOptions
from floorcast.cli.connect_freeswitch import FreeswitchOptions
from floorcast.cli.connect_livevox import LivevoxOptions
from floorcast.cli.connect_options import ConnectOptions, with_options
from floorcast.cli.connector_setup import CONNECTOR_SECRETS
from floorcast.connectors.connect_file import (
    AsteriskTable,
    ConnectFile,
    FreeswitchTable,
    LivevoxTable,
)


@pytest.mark.parametrize(
    ("options", "table"),
    [
        (AsteriskOptions, AsteriskTable),
        (FreeswitchOptions, FreeswitchTable),
        (LivevoxOptions, LivevoxTable),
    ],
)
def test_each_option_replaces_a_setting_of_the_file(
    options: type[ConnectOptions], table: type[Struct]
) -> None:
    """An option with another name would be accepted and have no effect."""
    known = {*ConnectFile.__struct_fields__, *table.__struct_fields__, *CONNECTOR_SECRETS}
    assert set(options().settings()) <= known
    assert set(options().settings().values()) == {None}, "the default would replace the file"


def test_command_gets_its_options_as_one_value() -> None:
    """In ``--help``, a command's own options come before those that all commands share."""
    given: list[AsteriskOptions] = []

    @with_options(AsteriskOptions)
    def command(_context: typer.Context, options: AsteriskOptions) -> None:
        given.append(options)

    command(None, ami="pbx", url="http://x")
    assert given == [AsteriskOptions(ami="pbx", url="http://x")]
    context, *names = inspect.signature(command).parameters
    assert context == "context"
    shared = [one.name for one in fields(ConnectOptions)]
    assert (names[0], names[-len(shared) :]) == ("ami", shared)
