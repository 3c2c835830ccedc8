"""Builds the JSON Schemas of request and response bodies from their types.

The types define the members. Some facts cannot be expressed by a type, such as a member that is
parsed by hand or a union without tags. This module provides annotations for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Meta, Struct, inspect
from msgspec.json import schema_components

from floorcast.http.openapi.descriptions import description
from floorcast.model.outbound import (
    CallDispositionEvent,
    CallStartEvent,
    CallTerminationEvent,
    EmailEvent,
    SmsEvent,
)

__all__ = [
    "REF",
    "components",
    "moment_or_token",
    "one_of",
    "schema",
    "text_or_null",
    "time_or_ms",
    "whole_or_null",
]

REF = "#/components/schemas/{name}"
VOICE = "VoiceEvent"


def one_of(*kinds: type[Struct] | None) -> Meta:
    """Describe a member that holds one of these types. None means that it can be null."""
    return Meta(extra_json_schema={"anyOf": [_ref(kind) for kind in kinds]})


def time_or_ms(limit: int) -> Meta:
    """Describe a member that holds a time in ms (less than ``limit``) or ISO 8601, null or ""."""
    ms = {"type": "integer", "minimum": 1 - limit, "maximum": limit - 1}
    digits = {"type": "string", "pattern": f"^[0-9]{{0,{len(str(limit)) - 1}}}$"}
    iso = {"type": "string", "format": "date-time"}
    return Meta(extra_json_schema={"anyOf": [ms, digits, iso, {"type": "null"}]})


def moment_or_token(limit: int) -> Meta:
    """Describe a member that holds a token, or a time as in ``time_or_ms``."""
    (*times, null) = (time_or_ms(limit).extra_json_schema or {})["anyOf"]
    token = {"type": "string", "format": "uuid"}
    return Meta(extra_json_schema={"anyOf": [*times, token, null]})


def whole_or_null(minimum: int, maximum: int) -> Meta:
    """Describe a member that holds a whole number within limits, or null."""
    whole = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Meta(extra_json_schema={"anyOf": [whole, {"type": "null"}]})


def text_or_null(max_length: int) -> Meta:
    """Describe a member that is null or a string of at most this many characters."""
    text = {"type": "string", "maxLength": max_length}
    return Meta(extra_json_schema={"anyOf": [text, {"type": "null"}]})


def schema(kind: object) -> dict[str, Any]:
    """Return a type's schema. The schema of a struct is a reference to its component."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _ref(kind)
    (found,), _ = schema_components([kind], ref_template=REF)
    return found


def components(bodies: Iterable[object], responses: Iterable[object]) -> dict[str, Any]:
    """Return the schemas of all structs in these types, by name.

    ``bodies`` are request bodies, in which members with a default are optional. ``responses`` are
    response bodies, in which members with a default are always present.
    """
    bodies, responses = list(bodies), list(responses)
    _, found = schema_components([*bodies, *responses], ref_template=REF)
    for kind in _structs(bodies):
        _complete(kind, found[kind.__name__], getattr(kind, "required", None))
    for kind in _structs(responses):
        _complete(kind, found[kind.__name__], list(_always_present(kind)))
    found[VOICE] = {
        "description": "A voice event: a call began, ended, or was given a term code.",
        **_either({kind: _ref(of) for kind, of in _CALL_EVENTS.items()}, "callEventType"),
    }
    return {name: _discriminated(found[name]) for name in sorted(found)}


_CALL_EVENTS: dict[str, type[Struct]] = {
    "CALL_START": CallStartEvent,
    "CALL_TERMINATION": CallTerminationEvent,
    "CALL_DISPOSITION": CallDispositionEvent,
}
_CALLS = [{"$ref": REF.format(name=kind.__name__)} for kind in _CALL_EVENTS.values()]


def _either(choices: dict[str, dict[str, Any]], by: str) -> dict[str, Any]:
    mapping = {value: choice["$ref"] for value, choice in choices.items()}
    return {
        "oneOf": list(choices.values()),
        "discriminator": {"propertyName": by, "mapping": mapping},
    }


def _discriminated(schema: Any) -> Any:  # noqa: ANN401 — JSON
    """Return the schema with a discriminator in the unions of feed events.

    Three of the five interaction events share a channel, so their union is a separate type.
    """
    if isinstance(schema, list):
        return [_discriminated(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    choices = schema.get("anyOf", ())
    if list(choices[: len(_CALLS)]) == _CALLS:
        if len(choices) == len(_CALLS):
            return {"$ref": REF.format(name=VOICE)}
        messages = {"Email": _ref(EmailEvent), "SMS": _ref(SmsEvent)}
        return _either({"VOICE": {"$ref": REF.format(name=VOICE)}} | messages, "interactionType")
    return {name: _discriminated(one) for name, one in schema.items()}


def _ref(kind: type[Struct] | None) -> dict[str, Any]:
    return {"type": "null"} if kind is None else {"$ref": REF.format(name=kind.__name__)}


def _structs(types: Iterable[object]) -> list[type[Struct]]:
    kinds = [one for info in inspect.multi_type_info(types) for one in _nested_structs(info)]
    return list(dict.fromkeys(kinds))


def _nested_structs(info: inspect.Type) -> Iterator[type[Struct]]:
    match info:
        case inspect.StructType(cls=kind, fields=fields):
            yield kind
            inner = [field.type for field in fields]
        case inspect.UnionType(types=types):
            inner = list(types)
        case inspect.Metadata(type=only) | inspect.ListType(item_type=only):
            inner = [only]
        case inspect.CollectionType(item_type=only) | inspect.DictType(value_type=only):
            inner = [only]
        case _:
            inner = []
    for one in inner:
        yield from _nested_structs(one)


def _always_present(kind: type[Struct]) -> Iterator[str]:
    omits_defaults = kind.__struct_config__.omit_defaults
    for field in msgspec.structs.fields(kind):
        if field.default is not UNSET and (field.required or not omits_defaults):
            yield field.encode_name


def _complete(kind: type[Struct], found: dict[str, Any], required: Iterable[str] | None) -> None:
    """Add a struct's description to its schema, and mark required and never-null members."""
    found.pop("title")
    found["description"] = _prose(kind)
    tags = [kind.__struct_config__.tag_field] if kind.__struct_config__.tag_field else []
    for tag in tags:
        found["properties"][tag]["description"] = description(kind.__name__, tag)
    if required is not None:
        found["required"] = [*tags, *required]
    for field in msgspec.structs.fields(kind):
        member = found["properties"][field.encode_name]
        member["description"] = description(kind.__name__, field.encode_name)
        if member.get("default", "") is None:
            del member["default"]
        never_null = kind.__struct_config__.omit_defaults and field.default is None
        if never_null or field.encode_name in getattr(kind, "required", ()):
            _without_null(member)
        if field.encode_name in getattr(kind, "required", ()):
            member.setdefault("minLength", 1)


def _without_null(member: dict[str, Any]) -> None:
    choices = [one for one in member.pop("anyOf") if one != {"type": "null"}]
    member.update(choices[0] if len(choices) == 1 else {"anyOf": choices})


def _prose(kind: type[Struct]) -> str:
    """Return a type's docstring as CommonMark, with its members' JSON names."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    text = " ".join((kind.__doc__ or "").split())
    return re.sub(r"``(\w+)``", lambda found: f"`{names.get(found[1], found[1])}`", text)
