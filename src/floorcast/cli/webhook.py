"""``floorcast webhook``: shows, tests and resumes webhooks, and skips their events."""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Annotated

import typer

from floorcast.cli.admin import (
    ClientOption,
    ClientStore,
    DataOption,
    LogOption,
    audit,
    with_client,
)
from floorcast.cli.tables import print_table
from floorcast.model.errors import SettingError

if TYPE_CHECKING:
    from floorcast.webhooks.connection import Reply

__all__ = ["app", "register"]

app = typer.Typer(
    help="Show, test and resume webhooks, and skip their events.", no_args_is_help=True
)

SECRET_BYTES = 32

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name.")]
COLUMNS = ("id", "name", "receiver", "state", "delivered", "failed", "up to", "reason")


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="webhook")


@app.command("list")
def show(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print a client's webhooks and their progress.

    Prints the state, the delivered events, the failed requests and the position. If the server is
    running, the progress is at most 5 seconds old. In /metrics, webhooks have the ids that this
    command prints.
    """
    from floorcast.cli.webhook_progress import progress_rows

    owner, rows = with_client(context, {"data": data, "log": log}, client, progress_rows)
    declare = "declare them in the site file: [[client.webhook]]"
    print_table(COLUMNS, rows, empty=f"client {owner.name} has no webhooks; {declare}")


@app.command("secret")
def make_secret() -> None:
    """Print a new secret for the site file."""
    from floorcast.site.webhooks import SECRET_PREFIX

    print(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


@app.command("test")
def send_test(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Send a signed example event from this machine.

    Prints the status of the response. The example is an event of type floorcast.test. If the
    webhook has a template, the body is the template's output for an example event. The webhook's
    progress does not change.
    """
    from floorcast.cli.webhook_example import send_example
    from floorcast.cli.webhook_progress import find_webhook

    async def post(client_store: ClientStore) -> Reply:
        return await send_example(find_webhook(client_store.owner, name))

    begun = time.monotonic()
    _, reply = with_client(context, {"data": data, "log": log}, client, post)
    took = (time.monotonic() - begun) * 1000
    print(f"the receiver responded with {reply.status} in {took:.0f} ms")
    if not 200 <= reply.status < 300:
        raise SettingError(f"webhook {name}: only 2xx counts as delivered")


@app.command("resume")
def resume(
    context: typer.Context,
    name: NameArgument,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TOKEN", show_default=False,
            help="Resume after this feed token or eventId, at most 24 hours old.",
        ),
    ] = None,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:  # fmt: skip
    """Resume a suspended webhook, or any webhook from a token.

    Without --from, a suspended webhook continues from its position.
    """
    from floorcast.cli.webhook_progress import resume_webhook

    if start is not None and not start:
        raise typer.BadParameter(
            "it is empty; to start now: floorcast webhook skip", param_hint="--from"
        )
    store = {"data": data, "log": log}
    owner, after = with_client(
        context, store, client, lambda opened: resume_webhook(opened, name, start)
    )
    audit(context, store, "webhook_resumed", client=owner.id, webhook=name)
    place = f" from {start}" if start else ""
    print(f"webhook {name} of client {owner.name} is {after.state} again{place}")


@app.command("skip")
def skip(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Skip all events up to now, and send only later events."""
    from floorcast.cli.webhook_progress import resume_webhook

    store = {"data": data, "log": log}
    owner, _ = with_client(context, store, client, lambda opened: resume_webhook(opened, name, ""))
    audit(context, store, "webhook_skipped", client=owner.id, webhook=name)
    print(f"webhook {name} of client {owner.name} sends only events from now on")
