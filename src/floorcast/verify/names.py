"""Resolves names by the rule in section 8 of the contract, with one table for each kind of object.

Names and ids are assigned in the order of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["KnownSite", "Names", "categories"]

_FIRST_FREE_ID = 1_000_000_001

Json = Mapping[str, Any]


class KnownSite:
    """The last site entry, merged with the names in events."""

    def __init__(self) -> None:
        self.time_zone = "UTC"
        self.services: dict[int, Json] = {}
        self.call_centers: dict[int, str] = {}
        self.agents: dict[int, tuple[str, str | None]] = {}
        self.names = Names()
        self._campaigns_named_at: dict[int, int] = {}
        self.former_ids: dict[str, list[int]] = {}

    def apply_site_entry(self, config: Json) -> None:
        """Apply a site entry."""
        self.time_zone = config.get("time_zone", "UTC")
        self.call_centers = {one["id"]: one["name"] for one in config.get("call_centers", ())}
        declared = {one["id"]: one for one in config.get("services", ())}
        # only the name of a service that is no longer declared is kept
        self.services = {n: {"id": n, "name": old["name"]} for n, old in self.services.items()}
        for number, one in declared.items():
            before = self.services.get(number)
            self.names.rename("service", before["name"] if before else None, one["name"], number)
            self.services[number] = one
        self._note_former_ids(config.get("agents", ()))
        for one in config.get("agents", ()):
            login = self.agents[one["id"]][0] if one["id"] in self.agents else None
            self.names.rename("agent", login, one["login"], one["id"])
            self.agents[one["id"]] = (one["login"], one.get("name"))

    def _note_former_ids(self, agents: Sequence[Json]) -> None:
        """Note which undeclared agents have just lost their logins, by login."""
        declared = {one["id"] for one in agents}
        for one in agents:
            holder = self.names.known("agent", one["login"])
            if holder is not None and holder not in declared:
                self.former_ids.setdefault(one["login"], []).append(holder)
        for lost in self.former_ids.values():
            lost[:] = [number for number in lost if number not in declared]

    def service(self, name_or_id: int | str) -> int:
        """Return a service's id, and add the service if it is new."""
        number, is_new = self.names.find("service", name_or_id)
        if is_new and number not in self.services:
            name = name_or_id if self.names.is_name(name_or_id) else f"Service {number}"
            self.services[number] = {"id": number, "name": name}
        return number

    def agent(self, name_or_id: int | str) -> int:
        """Return an agent's id, and add the agent if it is new."""
        number, is_new = self.names.find("agent", name_or_id)
        if is_new and number not in self.agents:
            name = str(name_or_id) if self.names.is_name(name_or_id) else f"AGENT {number}"
            login = name.replace(" ", "")
            self.agents[number] = (login, name)
            self.names.add_alias("agent", login, number)
        return number

    def campaign(self, name_or_id: int | str) -> int:
        """Return a campaign's id, and add the campaign if it is new."""
        number, is_new = self.names.find("campaign", name_or_id)
        if is_new and number not in self.names.campaigns:
            named = self.names.is_name(name_or_id)
            self.names.campaigns[number] = str(name_or_id) if named else f"Campaign {number}"
        return number

    def name_campaign(self, number: int, name: str, at: int) -> None:
        """Give a campaign the name that a report at ``at`` (ms) has, unless a newer one has one."""
        if not name or at < self._campaigns_named_at.get(number, at):
            return
        self._campaigns_named_at[number] = at
        campaigns = self.names.campaigns
        if campaigns.get(number) != name:
            self.names.rename("campaign", campaigns.get(number), name, number)
            campaigns[number] = name


def categories(config: Json) -> dict[str, str]:
    """Return the category of each term code. All codes that are not included are non-contacts."""
    codes = config.get("term_codes") or (
        {"code": "RPC", "category": "rpcComplete"},
        {"code": "RPC_INCOMPLETE", "category": "rpcIncomplete"},
        {"code": "WPC", "category": "wpc"},
    )
    return {one["code"]: one["category"] for one in codes}


class Names:
    """Maps numbers and names to ids, separately for each kind of object."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[int | str, int]] = {}
        self._next_free_id = _FIRST_FREE_ID
        self.campaigns: dict[int, str] = {}

    @staticmethod
    def is_name(name_or_id: int | str) -> bool:
        """Return whether a value is a name and not a number or an id in digits."""
        return isinstance(name_or_id, str) and not (
            name_or_id.isascii() and name_or_id.isdigit() and len(name_or_id) < 16
        )

    def find(self, kind: str, name_or_id: int | str) -> tuple[int, bool]:
        """Return the id of an object, and whether this name is new."""
        table = self._tables.setdefault(kind, {})
        if name_or_id in table:
            return table[name_or_id], False
        if not self.is_name(name_or_id):
            table[int(name_or_id)] = int(name_or_id)
            return int(name_or_id), True
        while self._next_free_id in table:
            self._next_free_id += 1
        table[name_or_id] = table[self._next_free_id] = self._next_free_id
        return self._next_free_id, True

    def known(self, kind: str, name: str) -> int | None:
        """Return the id of an object with this name, or None."""
        return self._tables.get(kind, {}).get(name)

    def add_alias(self, kind: str, name: str, number: int) -> None:
        """Add a second name for an object, unless the name already belongs to another object."""
        self._tables[kind].setdefault(name, number)

    def rename(self, kind: str, old: str | None, new: str, number: int) -> None:
        """Map the name ``new`` to this id from now on, instead of the name ``old``."""
        table = self._tables.setdefault(kind, {})
        if old is not None and table.get(old) == number:
            del table[old]
        table[new] = table[number] = number
