"""Runs administration commands on a test's data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from floorcast.cli import archive, audit, erase, key, options, site, user, verify, webhook
from floorcast.kv.folder import open_kv
from floorcast.site.live_site import Site
from tests.site.sites import CHEAP, SMALL, run

__all__ = ["AdminCommands"]


class AdminCommands:
    """Administration commands, run in a folder with the small site's file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.chdir(folder)
        for module in (site, user):
            monkeypatch.setattr(module, "hasher", lambda: CHEAP)
        (folder / "site.toml").write_text(SMALL)
        self._program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        self._program.callback()(options.load_option_values)
        for module in (site, user, key, audit, archive, erase, verify, webhook):
            module.register(self._program)
        options.use_command_class(self._program)

    def invoke(self, *words: str, stdin: str | bytes | None = None) -> Result:
        """Run a command. Raises floorcast's errors."""
        return CliRunner().invoke(self._program, words, input=stdin, catch_exceptions=False)

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run a command that succeeds, and return its standard output."""
        result = self.invoke(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def run_failing(self, *words: str) -> str:
        """Run a command that finds a problem and exits with 1, and return its output."""
        result = self.invoke(*words)
        assert result.exit_code == 1, result.output
        return result.stdout

    def run_refused(self, *words: str, stdin: str | bytes | None = None) -> str:
        """Run a command that is used incorrectly, and return its line on standard error."""
        result = self.invoke(*words, stdin=stdin)
        assert result.exit_code == 2, result.output
        return " ".join(result.stderr.split())

    def site(self, data: str = "floorcast-data") -> Site:
        """Return the site as a server would read it now."""
        kv = open_kv(self.folder / data)
        found = Site(kv)
        run(kv.close())
        return found
