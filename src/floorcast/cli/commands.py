"""The subcommands. Each has its own module, imported when it runs or its help is shown."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from floorcast.cli import options

__all__ = ["SUMMARIES", "Commands"]

SUMMARIES = {
    "serve": "Run the server until SIGTERM or Ctrl-C.",
    "demo": "Run an example site with a simulated floor, until Ctrl-C.",
    "connect": "Connect a PBX, or another server with this API.",
    "replay": "Send a recording to a server as events.",
    "simulate": "Send a simulated floor to a server.",
    "tail": "Print events as they happen, until Ctrl-C.",
    "top": "Show services, waiting calls and agents, until q or Ctrl-C.",
    "site": "Apply, check and show the site's clients.",
    "user": "Add, change and remove users.",
    "key": "Create and revoke API tokens and ingest, metrics and screen keys.",
    "webhook": "Show, test and resume webhooks, and skip their events.",
    "alert": "Try alert rules on a stored day.",
    "audit": "Print the audit log: logins, refusals and changes.",
    "backup": "Make a consistent copy of the data folder.",
    "verify": "Recompute every figure from the stored events and compare.",
    "archive": "List, verify and export the archive.",
    "erase": "Remove a person from the log, the feeds, the calls, the snapshots and the archive.",
    "skip-entry": "Skip one damaged entry, so that its client can be served.",
    "cluster": "Set up, inspect and repair a cluster on NATS JetStream.",
    "version": "Print the versions of floorcast and its Python.",
}
"""The summary of each subcommand in ``--help``: the first line of its own help."""


class Commands(TyperGroup):
    """The program's group of commands. Listing the commands imports none of them."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 — Typer gives them
        super().__init__(**attributes)
        self.commands = _LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 — as above
        """Write the list of commands at the end of ``--help``."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


class _LazyCommands(MutableMapping[str, Any]):
    """The commands by name."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 — Typer's command
        if name not in self._loaded and name in SUMMARIES:
            program = typer.Typer(rich_markup_mode=None)
            import_module(f"floorcast.cli.{name.replace('-', '_')}").register(program)
            options.use_command_class(program)
            self._loaded |= typer.main.get_group(program).commands
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 — Typer's command
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)
