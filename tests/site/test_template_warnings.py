"""Tests of the warnings about templates that fail for some events."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from floorcast.site.file_reader import parse
from floorcast.site.template_warnings import template_warnings
from tests.site.sites import SMALL

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"


def warnings(template: str, send: str) -> list[str]:
    """Return the warnings about a site whose webhook has a template."""
    table = f"""[[client.webhook]]
name = "ops"
url = "https://example.org/"
secret = "whsec_{"QUFB" * 10}"
send = ["{send}"]
template = '''{template}'''

[[client]]
id = 2
"""
    return list(template_warnings(parse(SMALL.replace("[[client]]\nid = 2\n", table))))


@pytest.mark.parametrize(
    ("send", "member"),
    [("alerts", "value"), ("alerts", "serviceId"), ("agent", "agentServiceId")],
)
def test_a_template_that_fails_without_an_optional_member_causes_a_warning(
    send: str, member: str
) -> None:
    """The warning names the webhook, the kind of event and the error."""
    (warning,) = warnings(f'{{"x": {{{{ event.data.{member} }}}}}}', send)
    assert warning.startswith("client 1, webhook ops: the template would suspend the webhook")
    assert "write values as {{ value | json }}" in warning
    assert warnings(f'{{"x": {{{{ event.data.{member} | json }}}}}}', send) == []


@pytest.mark.parametrize("send", ["alerts", "agent", "interaction"])
def test_a_template_that_writes_values_as_json_causes_no_warning(send: str) -> None:
    """The json filter writes null for a missing member."""
    assert warnings("{{ event.data | json }}", send) == []


def test_the_templates_in_the_docs_cause_no_warning() -> None:
    """Users copy these templates."""
    found = re.findall(
        r'send = \["(\w+)"\]\ntemplate = \'\'\'(.*?)\'\'\'', PAGE.read_text("utf-8"), re.DOTALL
    )
    assert len(found) >= 3
    assert [warnings(template, send) for send, template in found] == [[]] * len(found)
