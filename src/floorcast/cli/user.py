"""``floorcast user``: adds, lists, changes and removes users, with or without a site file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from floorcast.cli.admin import (
    ClientOption,
    ClientStore,
    DataOption,
    LogOption,
    audit,
    hasher,
    new_password,
    with_client,
)
from floorcast.cli.tables import print_table
from floorcast.site.configuration import (
    MAX_ID,
    MAX_NAME_CHARS,
    ClientCallCenter,
    Role,
    User,
    sort_call_centers,
)

if TYPE_CHECKING:
    from floorcast.site.configuration import CallCenterRef, SiteClient
    from floorcast.site.live_site import Site

__all__ = ["app", "register"]

app = typer.Typer(help="Add, change and remove users.", no_args_is_help=True)

ROLES: tuple[Role, ...] = get_args(Role)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
AgentOption = Annotated[bool, typer.Option("--agent", help="NAME is an agent's login.")]


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.add_typer(app, name="user")


@app.command("add")
def add(
    context: typer.Context,
    name: NameArgument,
    role: Annotated[str, typer.Option(metavar="ROLE", help=f"One of: {', '.join(ROLES)}.")],
    client: ClientOption = None,
    user_id: Annotated[
        int | None,
        typer.Option(
            "--user-id",
            metavar="ID",
            min=0,
            max=MAX_ID,
            help="The user's id. Default: the next free id.",
            show_default=False,
        ),
    ] = None,
    call_center: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|CLIENT/ID",
            help="Limit the user to this call center: 10, or 2/10 for call center 10 of client 2."
            " Can be repeated.",
        ),
    ] = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Add a user.

    Prompts for the password on a terminal, or else reads it from standard input.
    """
    from floorcast.site.edits import add_user

    known_role = _role(role)
    _require_valid_name(name)

    async def make(client_store: ClientStore) -> User:
        owner = client_store.owner
        centers = _centers(client_store.site, owner, call_center or [])
        used_ids = [user.id for user in owner.users if not user.agent]
        user = User(
            id=max(used_ids, default=0) + 1 if user_id is None else user_id,
            name=name,
            password_hash=hasher().hash(new_password(name)),
            role=known_role,
            call_centers=centers or None,
        )
        await add_user(client_store.kv, owner.id, user)
        return user

    store = {"data": data, "log": log}
    owner, user = with_client(context, store, client, make)
    audit(
        context,
        store,
        "user_added",
        client=owner.id,
        user=user.id,
        name=name,
        role=known_role,
        call_centers=None if user.call_centers is None else [*map(str, user.call_centers)],
    )
    print(f"user {user.id} {name} of client {owner.name} can now log in")


@app.command("list")
def show(
    context: typer.Context,
    client: ClientOption = None,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Print the users and agents who can log in to a client."""
    from floorcast.site.store import MANUAL, read_manual_changes

    async def look(client_store: ClientStore) -> list[tuple[str, ...]]:
        owner = client_store.owner
        manual = read_manual_changes(client_store.kv.get(MANUAL, str(owner.id)))
        made = {(user.agent, user.name) for user in manual.users}
        return [
            (
                str(user.id),
                user.name,
                user.role,
                "all" if user.call_centers is None else " ".join(map(str, user.call_centers)),
                "command" if (user.agent, user.name) in made else "site file",
            )
            for user in owner.users
        ]

    owner, rows = with_client(context, {"data": data, "log": log}, client, look)
    empty = f"client {owner.name} has no users; add one: floorcast user add"
    print_table(("id", "name", "role", "call centers", "made by"), rows, empty=empty)


@app.command("remove")
def remove(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    agent: AgentOption = False,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Remove a login and end its sessions."""
    from floorcast.site.edits import remove_user

    async def take(client_store: ClientStore) -> None:
        await remove_user(client_store.kv, client_store.owner.id, name, agent=agent)

    store = {"data": data, "log": log}
    owner, _ = with_client(context, store, client, take)
    audit(context, store, "user_removed", client=owner.id, name=name, agent=agent or None)
    print(f"{name} of client {owner.name} can no longer log in")


@app.command("password")
def password(
    context: typer.Context,
    name: NameArgument,
    client: ClientOption = None,
    agent: AgentOption = False,
    data: DataOption = None,
    log: LogOption = None,
) -> None:
    """Set a user's password and end the user's sessions.

    With --agent, allows an agent of the site to log in.
    """
    from floorcast.site.edits import set_password

    async def change(client_store: ClientStore) -> None:
        owner = client_store.owner
        login = {(user.agent, user.name): user.password_hash for user in owner.users}
        given = new_password(name, login.get((agent, name), ""))
        await set_password(client_store.kv, owner.id, name, hasher().hash(given), agent=agent)

    store = {"data": data, "log": log}
    owner, _ = with_client(context, store, client, change)
    audit(context, store, "user_password_set", client=owner.id, name=name, agent=agent or None)
    print(f"{name} of client {owner.name} has a new password")


def _require_valid_name(name: str) -> None:
    """Raise ``typer.BadParameter`` for a name that nobody could type or that cannot be stored."""
    if not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise typer.BadParameter(
            f"must have 1 to {MAX_NAME_CHARS} printable characters", param_hint="NAME"
        )


def _role(named: str) -> Role:
    for role in ROLES:
        if role.lower() == named.strip().lower():
            return role
    raise typer.BadParameter(f"must be one of: {', '.join(ROLES)}", param_hint="--role")


def _centers(site: Site, owner: SiteClient, given: list[str]) -> tuple[CallCenterRef, ...]:
    """Return the call centers that the option names, of the client or of its child clients.

    Raises ``typer.BadParameter`` if there is no such call center.
    """
    found: list[CallCenterRef] = []
    for text in given:
        client, slash, number = text.rpartition("/")
        digits = (client, number) if slash else (number,)
        if not all(part.isascii() and part.isdigit() and len(part) <= 16 for part in digits):
            raise typer.BadParameter(
                f"must be ID or CLIENT/ID, not {text!r}", param_hint="--call-center"
            )
        center = ClientCallCenter(client=int(client), id=int(number)) if slash else int(number)
        if not site.directory.call_centers_of(owner.id, [center]):
            raise typer.BadParameter(
                f"client {owner.name} has no call center {text}", param_hint="--call-center"
            )
        found.append(center)
    return sort_call_centers(found)
