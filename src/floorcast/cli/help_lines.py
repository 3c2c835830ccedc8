"""Rewrites Typer's help in plain notation: ``FILE`` instead of ``{FILE}`` and ``FILE <path>``."""

from __future__ import annotations

import re

__all__ = ["plain_name", "plain_text", "plain_usage"]


def plain_usage(piece: str) -> str:
    """Return a part of the usage line without braces around a required argument."""
    return re.sub(r"^\{(.+)\}(?:\.\.\.)?$", r"\1", piece)


def plain_name(name: str) -> str:
    """Return an argument or option without its Python type. Choices stay: ``--format a|b``."""
    return re.sub(r" <(.*)>$", lambda found: f" {found[1]}" if "|" in found[1] else "", name)


def plain_text(text: str) -> str:
    """Return a help text with its default and bounds in words, in one pair of brackets."""
    text = re.sub(
        r"([\d.]+)<=x<=([\d.]+)",
        lambda found: f"from {_number(found[1])} to {_number(found[2])}",
        text,
    )
    text = re.sub(r"\bx>=([\d.]+)", lambda found: f"at least {_number(found[1])}", text)
    text = re.sub(r"Default: ([^.]+)\.(?= *(?:\[|$))", r"[default: \1]", text)
    return re.sub(r" {2,}\[", " [", text).replace("] [", "; ")


def _number(text: str) -> str:
    return f"{float(text):,.16g}"
