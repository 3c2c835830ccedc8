"""The page at ``/docs``: the OpenAPI document as static HTML.

All content comes from the document and is complete without the script, which adds a search and the
server's address. The text of closed sections is part of the page, so the browser's own search
finds it, too.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from shlex import quote
from typing import Any

from floorcast.http.openapi.type_words import inline, members, prose, table

__all__ = ["POLICY", "page"]


def _read(name: str) -> str:
    return files("floorcast.http.openapi").joinpath(name).read_text("utf-8")


_STYLE = _read("page.css")
_SCRIPT = _read("address.js") + _read("search.js")


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; style-src 'sha256-{_hash(_STYLE)}';"
    f" script-src 'sha256-{_hash(_SCRIPT)}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy, which allows only this page's style and script."""

_AUTH_OPTIONS = {
    "session": '-H "LV-Session: $SESSION"',
    "apiToken": '-H "LV-Access: $API_TOKEN"',
    "ingestKey": '-H "Authorization: Bearer $KEY"',
    "metricsKey": '-H "Authorization: Bearer $METRICS_KEY"',
    "screenKey": '-H "Authorization: Bearer $SCREEN_KEY"',
}

MAX_BODY_CHARACTERS = 48  # of a request on one line, beside its response on a wide screen

Json = dict[str, Any]


def page(document: Json) -> str:
    """Return the complete page as HTML."""
    info = document["info"]
    about = "".join(f"<p>{prose(text)}</p>" for text in info["description"].split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>floorcast API</title><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>"
        '<a class="skip" href="#about">Skip to content</a><div class="frame">'
        f'{_contents(document)}<main><section class="about">'
        f'<h1 id="about">floorcast {escape(info["version"])} API</h1>{about}'
        '<p>Programs can read <a href="/openapi.json">/openapi.json</a>. '
        f"Before you paste a request into a shell, set its variables:</p>{_pre(_SHELL_VARIABLES)}"
        f"</section>{''.join(_groups(document))}{_schemas(document)}</main></div>"
        f"<script>{_SCRIPT}</script></body></html>"
    )


_SHELL_VARIABLES = """\
URL=http://127.0.0.1:8080
API_TOKEN=...   # one of the client's API tokens; create one with floorcast key new --api-token
KEY=...         # one of the client's ingest keys; create one with floorcast key new
METRICS_KEY=... # a metrics key; create one with floorcast key new --metrics
SCREEN_KEY=...  # the text after key= in the link that floorcast key new --screen prints
SESSION=...     # the sessionId of a login
ALERT=...       # the alertId of an alert"""


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _contents(document: Json) -> str:
    groups = []
    for tag in [tag["name"] for tag in document["tags"]]:
        links = "".join(
            f'<li><a href="#{operation["operationId"]}">{_method(method)}'
            f"<span>{_breakable(path)}{_age(operation)}</span></a></li>"
            for path, method, operation in _operations(document)
            if operation["tags"] == [tag]
        )
        groups.append(f'<a class="group" href="#{_anchor(tag)}">{escape(tag)}</a><ul>{links}</ul>')
    types = '<a class="group" href="#schemas">types</a>'
    return (
        '<nav aria-label="Methods"><label class="search" hidden>Search'
        '<input type="search" placeholder="path, member or word"></label>'
        f'<p class="found" role="status"></p>{"".join(groups)}{types}'
        "</nav>"
    )


def _groups(document: Json) -> Iterator[str]:
    tag = ""
    for path, method, operation in sorted(
        _operations(document),
        key=lambda entry: [tag["name"] for tag in document["tags"]].index(entry[2]["tags"][0]),
    ):
        if operation["tags"] != [tag]:
            (tag,) = operation["tags"]
            yield f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        yield _article(document, path, method, operation)


def _article(document: Json, path: str, method: str, operation: Json) -> str:
    name = operation["operationId"]
    remarks = operation.get("description", "").split("\n\n")
    return (
        f'<article id="{name}"><h3>{_method(method)}<a href="#{name}">{_breakable(path)}</a>'
        f"{_age(operation)}</h3><p>{prose(operation['summary'])}</p>"
        f"{''.join(f'<p class=note>{prose(text)}</p>' for text in remarks if text)}"
        f"{_request(path, method, operation)}"
        f"{_parameters(operation)}{_body(operation)}{_answers(document, operation)}</article>"
    )


def _age(operation: Json) -> str:
    """Return a mark for a method that has been retired or will be."""
    if "200" not in operation["responses"] and "410" in operation["responses"]:
        return ' <span class="old">retired</span>'
    return ' <span class="old">deprecated</span>' if operation.get("deprecated") else ""


def _request(path: str, method: str, operation: Json) -> str:
    """Return the request as a command, with an example response if the document has one."""
    request = _pre(_curl(path, method, operation))
    content = operation["responses"].get("200", {}).get("content", {})
    for medium in content.values():
        for example in list(medium.get("examples", {}).values())[:1]:
            answer = _pre(json.dumps(example["value"], indent=2))
            return (
                f'<div class="pair"><div><h4>Request</h4>{request}</div>'
                f"<div><h4>Response</h4>{answer}</div></div>"
            )
    return request


def _value_of(parameter: re.Match[str]) -> str:
    return "$ALERT" if parameter[0] == "{alertId}" else "$SESSION"


def _curl(path: str, method: str, operation: Json) -> str:
    """Return the request as a shell command."""
    method_option = "" if method in {"get", "post"} else f" -X {method.upper()}"
    stream = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    query = "&".join(_query_parts(operation))
    path = re.sub(r"\{\w+\}", _value_of, path) + (f"?{query}" if query else "")
    words = [f'curl -s{"N" if stream else ""}{method_option} "$URL{path}"']
    words += [_AUTH_OPTIONS[name] for scheme in operation["security"][:1] for name in scheme]
    return " \\\n  ".join([*words, *_body_options(method, operation)])


def _query_parts(operation: Json) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter.get("required"):
            yield f"{parameter['name']}={parameter.get('example', '$SESSION')}"


def _body_options(method: str, operation: Json) -> Iterator[str]:
    for media_type, medium in operation.get("requestBody", {}).get("content", {}).items():
        for example in list(medium.get("examples", {}).values())[:1]:
            value = example["value"]
            if "token" in value:
                value = value | {"token": ""}  # the token in the example is years old
            if media_type != "application/json":
                yield f"-H 'Content-Type: {media_type}'"
            yield f"-d {quote(_in_lines(value))}"
            return
    if method == "post":
        yield "-d '{}'"


def _in_lines(value: Json) -> str:
    """Return a request's body on one line if it fits the page, and else with a line per member."""
    line = json.dumps(value)
    return line if len(line) <= MAX_BODY_CHARACTERS else json.dumps(value, indent=2)


def _parameters(operation: Json) -> str:
    rows = []
    for parameter in operation.get("parameters", ()):
        content = parameter.get("content", {}).get("application/json", {})
        kind = inline(parameter.get("schema") or content["schema"])
        where = f"{parameter['in']}, required" if parameter.get("required") else parameter["in"]
        name = f"<code>{escape(parameter['name'])}</code>"
        rows.append((name, kind, where, prose(parameter["description"])))
    return table("Parameters", ("name", "type", "in", "meaning"), rows)


def _body(operation: Json) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    rows = []
    for media_type, medium in content.items():
        parts = [inline(medium["schema"]), prose(medium["schema"].get("description", ""))]
        rows.append((f"<code>{escape(media_type)}</code>", _parts(parts)))
    return table("Body", ("media type", "type"), rows) + _examples(content)


def _answers(document: Json, operation: Json) -> str:
    rows, examples = [], []
    for status, answer in operation["responses"].items():
        shared = document["components"]["responses"]
        found = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        content = found.get("content", {})
        schemas = [medium["schema"] for medium in content.values()]
        # every refusal has the same two members, described at the top of the page
        kinds = " ".join(inline(schema) for schema in schemas if "allOf" not in schema)
        headers = ", ".join(f"<code>{escape(name)}</code>" for name in found.get("headers", ()))
        parts = [prose(found["description"]), kinds, headers and f"with {headers}"]
        rows.append((f"<code>{status}</code>", _parts(parts)))
        examples.append(_examples(content))
    return table("Responses", ("status", "meaning"), rows) + "".join(examples)


def _examples(content: Json) -> str:
    return "".join(
        f"<details><summary>Example{_title(name)}</summary>"
        f"{_pre(json.dumps(example['value'], indent=2))}</details>"
        for medium in content.values()
        for name, example in medium.get("examples", {}).items()
    )


def _title(name: str) -> str:
    """Return an example's title. Names of floorcast's own examples are internal."""
    return "" if name.startswith("own_") else f": {escape(name.replace('_', ' '))}"


def _schemas(document: Json) -> str:
    articles = "".join(
        f'<article id="type-{name}"><h3><a href="#type-{name}">{escape(name)}</a></h3>'
        f"<p>{prose(schema['description'])}</p>{members(schema)}</article>"
        for name, schema in document["components"]["schemas"].items()
    )
    return f'<h2 id="schemas">Types</h2>{articles}'


def _parts(parts: Iterable[str]) -> str:
    return "".join(f"<div>{part}</div>" for part in parts if part)


def _anchor(tag: str) -> str:
    return tag.replace(" ", "-")


def _method(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _breakable(path: str) -> str:
    return escape(path).replace("/", "/<wbr>")


def _pre(text: str) -> str:
    return f"<pre tabindex=0><code>{escape(text)}</code></pre>"
