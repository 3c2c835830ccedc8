"""Tests of the templates for webhook bodies: their output and their limits."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.site.body_template import EXAMPLES, TemplateError, check_template, render
from tests.search import tries

JSON = "application/json"


@settings(max_examples=tries(40))
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_the_json_filter_writes_any_value(value: object) -> None:
    """The filter makes any value of an event valid JSON."""
    body = render('{"said": {{ event.data.value | json }}}', JSON, {"data": {"value": value}})
    assert json.loads(body) == {"said": value}


def test_a_missing_member_is_null() -> None:
    """A missing member is ``null`` with the ``json`` filter, and empty without it."""
    body = render("[{{ event.data.none | json }}, {{ event.none | json }}]", JSON, {"data": {}})
    assert json.loads(body) == [None, None]
    assert render("a{{ event.none }}b", "text/plain", {}) == b"ab"


def test_a_template_can_skip_an_event() -> None:
    """A body that contains only white space becomes empty, and is therefore not sent."""
    template = '{% if event.type == "x" %} {"a": 1} {% endif %}\n'
    assert render(template, JSON, {"type": "x"}) == b'{"a": 1}'
    assert render(template, JSON, {"type": "y"}) == b""


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ event.id", "expected"),
        ("{% if %}", ""),
        ("{{ event.id | shout }}", "shout"),
        ("{% include 'secrets' %}", "include"),
        ("{% render 'secrets' %}", "render"),
        ("{% for i in (1..1000000000) %}x{% endfor %}", "limit"),
        ("{% for i in (1..9999) %}{% for j in (1..9999) %}x{% endfor %}{% endfor %}", "limit"),
        ('{"id": {{ event.id }}}', "is not JSON"),
        ('{"id": "{{ event.data.account }}"}', "write values as {{ value | json }}"),
    ],
)
def test_an_invalid_template_raises_a_clear_error(template: str, why: str) -> None:
    """Syntax errors, access to files, long loops and output that is not JSON are rejected."""
    begun = time.process_time()
    with pytest.raises(TemplateError) as error:
        check_template(template, JSON, ["interaction"])
    assert why in str(error.value)
    assert "\n" not in str(error.value)
    assert time.process_time() - begun < 5


def test_output_is_bounded() -> None:
    """A template whose output becomes too long is stopped."""
    grow = "{% for i in (1..9999) %}{{ event.a }}{% endfor %}"
    with pytest.raises(TemplateError, match="limit"):
        render(grow, "text/plain", {"a": "x" * 1000})


def test_each_kind_of_event_has_an_example() -> None:
    """An example's free text has quotes, which break templates that lack the ``json`` filter."""
    for name in ("agent", "interaction", "alerts"):
        check_template("{{ event | json }}", JSON, [name])
        assert '"' in "".join(one for one in _texts(EXAMPLES[name]["data"]))


def _texts(data: object) -> list[str]:
    assert isinstance(data, dict)
    return [value for value in data.values() if isinstance(value, str)]
