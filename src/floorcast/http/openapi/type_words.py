"""Describes JSON Schema types in words, for the page at ``/docs``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["inline", "members", "prose", "table"]

Json = dict[str, Any]


def inline(schema: Json) -> str:
    """Return a type as one line of HTML. A named type becomes a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{name}">{escape(name)}</a>'
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(inline(one) for one in schema.get("anyOf") or schema["oneOf"])
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"array of {inline(schema.get('items', {}))}"
    if "additionalProperties" in schema:
        return f"object with members of type {inline(schema['additionalProperties'])}"
    return f"{kind}{_limits(schema)}"


def members(schema: Json) -> str:
    """Return an object's members as an HTML table, or a union's types as a paragraph."""
    if "oneOf" in schema:
        return f"<p>{inline(schema)}</p>"
    required = set(schema.get("required", ()))
    rows = []
    for name, member in schema.get("properties", {}).items():
        optional = "" if name in required else ' <span class="note">optional</span>'
        meaning = prose(member.get("description", ""))
        rows.append((f"<code>{escape(name)}</code>", inline(member) + optional, meaning))
    return table("", ("member", "type", "meaning"), rows)


def prose(text: str) -> str:
    """Return a description as HTML, including its code spans, links and list."""
    first, *items = re.split(r"(?:^|\n)- ", text)
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(first, quote=False))
    html = re.sub(r"\[([^\]]+)\]\((https://[^)\s]+)\)", r'<a href="\2">\1</a>', html)
    rest = "".join(f"<li>{prose(item)}</li>" for item in items)
    return html + (f"<ul>{rest}</ul>" if rest else "")


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table with a heading, or an empty string if there are no rows."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    heading = f"<h4>{escape(title)}</h4>" if title else ""
    if not body:
        return ""
    return (
        f'{heading}<div class="wide" tabindex=0><table><thead><tr>{_cells("th", head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{cell}</{tag}>" for cell in cells)


def _limits(schema: Json) -> str:
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    if "format" in schema:
        return f" ({escape(schema['format'])})"
    if minimum is not None and maximum is not None and maximum <= 10**6:
        return f" from {minimum} to {maximum}"
    if schema.get("maxLength", 10**6) < 10**6:
        return f", {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return ""
