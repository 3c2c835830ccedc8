"""Tests that docs/running.md lists every event of the audit log, with its fields."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import get_args

from floorcast.auth.audit_log import AuditEvent
from floorcast.cli.eraser import Eraser
from tests.golden.pages import DOCS, ROOT

EVENTS = frozenset(get_args(AuditEvent))
RECORDERS = {"record", "record_refusal"}  # methods of AuditLog
Function = ast.FunctionDef | ast.AsyncFunctionDef
MODULES = [
    ast.parse(text)
    for file in sorted((ROOT / "src" / "floorcast").rglob("*.py"))
    if "audit" in (text := file.read_text("utf-8"))
]


def documented() -> Mapping[str, set[str]]:
    """Return the fields of the events in the page's table."""
    page = (DOCS / "running.md").read_text("utf-8")
    table = page[page.index("| event | when | fields |") :].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[`\w, ]+`) \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)
    assert len(rows) == len(table.splitlines()) - 2
    found: dict[str, set[str]] = {}
    for events, fields in rows:
        for event in re.findall(r"`(\w+)`", events):
            assert event not in found
            found[event] = {field for field in fields.split(", ") if field != "none"}
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call, with the last part of the function's name."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name, node


def events_in(tree: ast.AST) -> set[str]:
    """Return the events that some code names."""
    return {
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in EVENTS
    }


def fields_in(call: ast.Call) -> set[str]:
    """Return the fields that a call has. ``**audit_author(…)`` stands for two."""
    author = any("author" in ast.unparse(one.value) for one in call.keywords if one.arg is None)
    more = {"more"} if isinstance(call.func, ast.Attribute) and "refusal" in call.func.attr else ()
    return {one.arg for one in call.keywords if one.arg}.union(
        ("by", "command") if author else (), more
    )


def tables(module: ast.Module, expression: ast.AST) -> set[str]:
    """Return the events in the values of the module's tables that an expression names."""
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    found = set()
    for node in module.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(values=values)) if (
                name in names
            ):
                found |= set().union(*map(events_in, values))
    return found


def records() -> Iterator[tuple[ast.Module, Function, ast.Call]]:
    """Yield each call that records an event, with its function and its module."""
    for module in MODULES:
        for function in ast.walk(module):
            if isinstance(function, Function):
                for name, call in calls(function):
                    if name in RECORDERS and call.args:
                        yield module, function, call


def recorded() -> Mapping[str, set[str]]:
    """Return the fields with which the code records each event."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    wrappers: defaultdict[str, set[str]] = defaultdict(set)  # their callers name the event
    for module, function, call in records():
        event = call.args[0]
        for one in events_in(event) | tables(module, event):
            found[one] |= fields_in(call)
        if isinstance(event, ast.Name) and function.name not in RECORDERS:
            wrappers[function.name] |= fields_in(call)
    for name, call in (one for module in MODULES for one in calls(module)):
        if name == "record_changes":
            found["site_changed"] |= fields_in(call)
        elif name in wrappers:
            for one in set[str]().union(*map(events_in, call.args)):
                found[one] |= fields_in(call) | wrappers[name]
    found["erase"] |= set(re.findall(r'^ +"(\w+)": ', inspect.getsource(Eraser.run), re.MULTILINE))
    return found


def test_every_event_of_the_audit_log_is_on_the_page_with_its_fields() -> None:
    """The table has each event with all its fields, and no event that is never recorded."""
    assert recorded().keys() == EVENTS
    assert documented() == recorded()
