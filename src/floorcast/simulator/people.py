"""Makes up people: agents' names, and customers by time zone."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

__all__ = ["HOURS_FROM_EASTERN", "NAME_COUNT", "Person", "agent_name", "random_person"]

FIRST_NAMES = (
    "Ada", "Amir", "Ana", "Bela", "Ben", "Carla", "Chen", "Dana", "Diego", "Ella", "Emre",
    "Fatima", "Felix", "Gita", "Hana", "Hugo", "Ines", "Ivo", "Jana", "Jonas", "Kofi", "Lea",
    "Liam", "Lucia", "Maya", "Milan", "Nadia", "Noah", "Olga", "Omar", "Pia", "Rafael", "Rosa",
    "Samir", "Tara", "Victor", "Yara", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Abadi", "Bauer", "Becker", "Cohen", "Costa", "Diaz", "Dubois", "Eriksen", "Fischer",
    "Garcia", "Hoffman", "Ito", "Jansen", "Kaya", "Keller", "Kim", "Levi", "Lopez", "Marino",
    "Meyer", "Mbeki", "Nagy", "Novak", "Okafor", "Olsen", "Patel", "Peretz", "Rossi", "Santos",
    "Sato", "Silva", "Singh", "Tran", "Varga", "Weiss", "Wong", "Young",
)  # fmt: skip

NAME_COUNT = len(FIRST_NAMES) * len(LAST_NAMES)
"""The number of different names without a numeric suffix."""

HOURS_FROM_EASTERN = {"AT": 1, "ET": 0, "CT": -1, "MT": -2, "PT": -3, "AL": -4, "HI": -5}
_AREAS = {
    "AT": (("787", "PR", "00901"),),
    "ET": (("212", "NY", "10001"), ("404", "GA", "30303"), ("617", "MA", "02108")),
    "CT": (("312", "IL", "60601"), ("512", "TX", "78701")),
    "MT": (("303", "CO", "80202"), ("801", "UT", "84101")),
    "PT": (("206", "WA", "98101"), ("415", "CA", "94103")),
    "AL": (("907", "AK", "99501"),),
    "HI": (("808", "HI", "96813"),),
}


class Person(NamedTuple):
    """A customer. The phone number is from the range reserved for fiction."""

    first_name: str
    last_name: str
    phone: str
    account: str
    state: str
    zip_code: str

    @property
    def email(self) -> str:
        """An e-mail address that does not exist."""
        return f"{self.first_name}.{self.last_name}@example.com".lower()


def agent_name(number: int) -> str:
    """Return the unique name of an agent. Numbers start at 0."""
    last, first = divmod(number, len(FIRST_NAMES))
    repeat, last = divmod(last, len(LAST_NAMES))
    # neighbors in the list do not share a surname
    name = f"{FIRST_NAMES[first]} {LAST_NAMES[(last + first) % len(LAST_NAMES)]}"
    return name if not repeat else f"{name} {repeat + 1}"


def random_person(chance: Random, zone: str = "ET") -> Person:
    """Return a random person in a time zone."""
    area, state, zip_code = chance.choice(_AREAS[zone])
    return Person(
        first_name=chance.choice(FIRST_NAMES),
        last_name=chance.choice(LAST_NAMES),
        phone=f"{area}55501{chance.randrange(100):02}",
        account=f"A{chance.randrange(10_000_000):07}",
        state=state,
        zip_code=zip_code,
    )
