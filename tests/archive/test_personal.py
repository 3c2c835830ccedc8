"""Tests of personal data in each mode of the archive."""

from __future__ import annotations

from typing import get_args

import msgspec

from floorcast.archive.personal import MODES, treat_members, treatment
from floorcast.model.inbound import InboundEvent
from floorcast.model.person import PERSONAL_MEMBERS


def members(kind: type) -> set[str]:
    """Return all member names of a type and of its nested types."""
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        found.add(field.encode_name)
        for inner in (field.type, *get_args(field.type)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= members(inner)
    return found


def test_every_personal_member_is_treated() -> None:
    """Every event member that sounds like a phone number, account, email or name is treated."""
    known = set()
    for event in get_args(InboundEvent):
        (data,) = [field.type for field in msgspec.structs.fields(event) if field.name == "data"]
        known |= members(data)
    sounds = {
        name
        for name in known
        if any(word in name.lower() for word in ("phone", "account", "email", "callerid"))
        or name.lower() in {"firstname", "lastname"}
    }
    assert sounds - {"phonePosition"} <= PERSONAL_MEMBERS
    assert known >= PERSONAL_MEMBERS - {"supervisorPhoneNumber"}


def test_each_mode_treats_a_number() -> None:
    """JSON numbers are treated like text. Short numbers are hidden completely."""
    shown = {mode: treatment(mode, b"key") for mode in MODES}
    assert shown["drop"]("5550147") is None
    assert shown["mask"]("5550147") == "***0147"
    assert shown["mask"](5550147) == "***0147"
    assert shown["mask"]("147") == "***"
    assert shown["keep"](5550147) == "5550147"
    assert shown["hash"]("5550147") == shown["hash"](5550147)
    assert shown["hash"]("5550147") != treatment("hash", b"other")("5550147")
    assert all(treat(None) is None for treat in shown.values())


def test_nested_members_are_treated() -> None:
    """The members of a call's consumer are treated, and members without personal data stay."""
    data = {"service": 1, "consumer": {"firstName": "Ada"}, "callerId": 5550147, "zipCode": "1"}
    masked = treat_members(data, treatment("mask", b""))
    assert masked == {
        "service": 1, "consumer": {"firstName": "***"}, "callerId": "***0147", "zipCode": "1"
    }  # fmt: skip
