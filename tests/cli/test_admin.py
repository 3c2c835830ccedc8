"""Tests of the functions that the administration commands share."""

from __future__ import annotations

import sys

import pytest
import typer

from floorcast.cli.admin import hasher, new_password


def test_password_is_prompted_for_twice_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is hidden, confirmed, and never prompted for on standard output."""
    prompted: dict[str, object] = {}

    def prompt(text: str, **how: object) -> str:
        prompted.update(how, text=text)
        return "a long secret"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    assert new_password("reports") == "a long secret"
    assert prompted == {
        "text": "Password",
        "hide_input": True,
        "confirmation_prompt": True,
        "err": True,
    }


def test_commands_use_the_full_hashing_cost() -> None:
    """Commands use the full hashing cost; only tests use less."""
    assert hasher().hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
