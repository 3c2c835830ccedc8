"""Tests of the alert rules in a site file."""

from __future__ import annotations

import pytest

from floorcast.model.errors import SettingError
from floorcast.site.alert_file import MAX_RULES
from floorcast.site.configuration import AlertRule
from floorcast.site.file_reader import parse

SITE = """
[[client]]
id = 1
name = "ACME"
call_center = [{id = 5, name = "North"}]
service = [{id = 7, name = "Support", call_center = 5}, {id = 8, name = "Sales"}]
"""


def rules(text: str) -> tuple[AlertRule, ...]:
    """Return the alert rules of a client whose file contains this text."""
    return parse(SITE + text).clients[0].floor_config().alerts


def alert(**keys: str) -> str:
    """Return an alert table with these keys, as TOML."""
    keys = {"name": '"x"', "figure": '"totalAbandoned"', "above": "3"} | keys
    lines = [f"{key.rstrip('_')} = {value}" for key, value in keys.items() if value]
    return "[[client.alert]]\n" + "\n".join(lines) + "\n"


def test_names_become_ids_and_defaults_are_filled_in() -> None:
    """``clear`` defaults to the threshold, and a rate needs at least one call."""
    assert rules(alert(service='["Support", 8]', for_="15")) == (
        AlertRule(
            name="x", figure="totalAbandoned", threshold=3, clear=3, hold=15, services=(7, 8)
        ),
    )
    (rule,) = rules(
        alert(figure='"serviceLevel"', above="", below="80", clear="85", call_center='"North"')
    )
    assert (rule.above, rule.threshold, rule.clear, rule.min_calls) == (False, 80, 85, 1)
    assert rule.call_centers == (5,)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"figure": '"totalAbandond"'}, "did you mean totalAbandoned?"),
        ({"figure": '"x"'}, "figure 'x' does not exist; docs/alerts.md lists the figures"),
        ({"service": '["Suport"]'}, "service 'Suport' is not a service; did you mean"),
        ({"call_center": "9"}, "call_center 9 is not a call_center"),
        ({"to": '["ops"]'}, "to 'ops' is not a webhook whose send has \"alerts\""),
        ({"below": "2"}, "give either above or below"),
        ({"above": ""}, "give either above or below"),
        ({"clear": "4"}, "clear 4 is above the threshold 3"),
        ({"above": "", "below": "3", "clear": "2"}, "clear 2 is below the threshold 3"),
        ({"service": "[7]", "call_center": "5"}, "give either service or call_center"),
        ({"figure": '"silence"', "service": "[7]"}, "silence is a figure of the whole client"),
        ({"interval": "600"}, "interval must be one of 300, 900, 1800, 3600 seconds"),
        ({"interval": "300"}, "interval is for figures that begin with 'interval.'"),
        ({"hours": '"Mon-Fry 08:00-20:00"'}, 'hours: "fry" is not a day'),
        ({"hours": '"08:00"'}, "hours: hours are written as"),
        ({"for_": "-1"}, "for"),
        ({"abov": "1"}, "did you mean above?"),
    ],
)  # fmt: skip
def test_an_invalid_rule_is_a_setting_error(keys: dict[str, str], message: str) -> None:
    """The message names the client and explains the error."""
    with pytest.raises(SettingError) as error:
        rules(alert(**keys))
    assert message.lower() in str(error.value).lower()
    assert "client 1" in str(error.value)


def test_rules_have_unique_names_and_a_maximum_number() -> None:
    """A client cannot have two rules with one name, or too many rules."""
    with pytest.raises(SettingError, match="the name is used twice"):
        rules(alert() + alert())
    with pytest.raises(SettingError, match=f"at most {MAX_RULES}"):
        rules("".join(alert(name=f'"{number}"') for number in range(MAX_RULES + 1)))
