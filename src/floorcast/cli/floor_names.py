"""The names of services and call centers, which ``tail`` and ``top`` show and accept for ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer
from msgspec import Struct, structs

from floorcast.client import Client, Filter
from floorcast.model.errors import BadCredentials, InvalidParameter, Refusal, UnexpectedAnswer

__all__ = ["FloorNames", "fetch_names", "has_names", "resolve_names", "unknown_id"]

MAX_LISTED = 20  # names in an error


class FloorNames(Struct, frozen=True):
    """The names of services and call centers by id.

    The server reports only those that have had a logged-in agent or an offered call today.
    """

    services: Mapping[int, str] = {}
    call_centers: Mapping[int, str] = {}


def fetch_names(reader: Client) -> FloorNames:
    """Return the names, or none if the user may not read service statistics.

    Raises BadCredentials and Unavailable.
    """
    try:
        stats = reader.service_statistics().stats
    except BadCredentials:
        raise
    except (Refusal, UnexpectedAnswer):
        return FloorNames()
    return FloorNames(
        {one.service_id: one.service_name for one in stats if one.service_id and one.service_name},
        {
            one.call_center_id: one.call_center_name
            for one in stats
            if one.call_center_id and one.call_center_name
        },
    )


def has_names(filter: Filter) -> bool:
    """Return whether any service or call center in the filter is not an id."""
    return not all(str(one).isdecimal() for one in (*filter.service, *filter.call_center))


def resolve_names(filter: Filter, names: FloorNames) -> Filter:
    """Return the filter with ids only. Raises ``typer.BadParameter`` for an unknown name."""
    return structs.replace(
        filter,
        service=_ids("service", filter.service, names.services),
        call_center=_ids("call center", filter.call_center, names.call_centers),
    )


def unknown_id(reader: Client, filter: Filter) -> str:
    """Return the server's message about an id that it does not know, or an empty string.

    The feed itself accepts any id. Raises BadCredentials and Unavailable.
    """
    wanted = Filter(service=filter.service, call_center=filter.call_center)
    try:
        if wanted.members():
            reader.service_statistics(wanted)
    except BadCredentials:
        raise
    except InvalidParameter as error:
        return error.message
    except (Refusal, UnexpectedAnswer):
        pass
    return ""


def _ids(noun: str, wanted: Sequence[int | str], names: Mapping[int, str]) -> list[int | str]:
    ids = {name: number for number, name in names.items()}
    for one in wanted:
        if not str(one).isdecimal() and one not in ids:
            known = sorted(f"{name} ({number})" for number, name in names.items())
            listed = ", ".join(known[:MAX_LISTED]) or "none"
            more = ", …" if len(known) > MAX_LISTED else ""
            raise typer.BadParameter(
                f"no {noun} named {one} has been active today; those that have are {listed}{more}."
                " Others can be given by id",
                param_hint="--filter",
            )
    return [one if str(one).isdecimal() else ids[str(one)] for one in wanted]
