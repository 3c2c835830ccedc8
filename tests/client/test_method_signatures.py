"""Tests of the clients' methods as shown by ``help`` and editors."""

from __future__ import annotations

import inspect

import pytest

from floorcast.client import AsyncClient, Client


@pytest.mark.parametrize("client", [AsyncClient, Client])
def test_methods_show_their_own_name_docstring_and_parameters(client: type) -> None:
    """The factory's name and docstring are not shown."""
    for name, method in inspect.getmembers(client, inspect.isfunction):
        if not name.startswith("_"):
            assert (method.__name__, bool(method.__doc__)) == (name, True)
    shown = inspect.signature(vars(client)["interaction_events"])
    assert list(shown.parameters) == ["self", "token", "filter", "store", "stream"]
    assert list(inspect.signature(vars(client)["validate"]).parameters) == ["self"]
    shown = inspect.signature(vars(client)["live_connects"])
    assert list(shown.parameters) == ["self", "filter", "at"]


def test_both_clients_have_the_same_methods() -> None:
    """The clients differ only in the method that closes them."""
    methods = [
        {name for name, _ in inspect.getmembers(client) if not name.startswith("_")}
        for client in (Client, AsyncClient)
    ]
    assert methods[0] ^ methods[1] == {"close", "aclose"}
