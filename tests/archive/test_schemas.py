"""Tests that files have the schemas in ``docs/archive.md``, and that the page's queries run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from floorcast.archive.schemas import SCHEMAS
from floorcast.archive.tables import read_parquet
from tests.archive.sealed_folders import folder

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text("utf-8")
SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Provide an archive with some hours."""
    with folder(tmp_path_factory.mktemp("archive")) as floor:
        floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
        floor.call(1)
        floor.advance(60)
        floor.call(2)
        floor.advance(75)
        floor.seal_all()
        yield floor.archive


@pytest.fixture
def in_archive_folder(archive: Path) -> Iterator[None]:
    """Make the archive's folder the current folder during the test."""
    before = Path.cwd()
    os.chdir(archive)
    yield
    os.chdir(before)


@pytest.mark.usefixtures("in_archive_folder")
@pytest.mark.parametrize("query", SQL)
def test_each_duckdb_query_returns_rows(query: str) -> None:
    """Each query on the page runs as printed and returns rows."""
    assert duckdb.connect().execute(query).fetchall()


@pytest.mark.usefixtures("in_archive_folder")
@pytest.mark.parametrize("program", PYTHON)
def test_each_pandas_program_prints(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each program on the page runs as printed and prints an agent's login."""
    exec(program, {})
    assert "SEBY" in capsys.readouterr().out


def test_the_page_has_queries() -> None:
    """The page has queries and programs, without which the tests above would test nothing."""
    assert len(SQL) >= 3
    assert PYTHON


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_column_is_described(name: str) -> None:
    """The section on a file describes each column, alone or with others that share a pattern."""
    section = PAGE.split(f"### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    families = [("movedOn", ""), ("notReady", "Ms"), ("", "Visits")]
    if name == "agent_intervals":
        families.append(("", "Ms"))
    for column in SCHEMAS[name].names:
        by_family = any(
            column.startswith(begin) and column.endswith(end) for begin, end in families
        )
        assert column in named or by_family, column


def test_the_files_have_the_schema(archive: Path) -> None:
    """All column names, and the first types, match the schema."""
    for name, schema in SCHEMAS.items():
        for file in archive.rglob(f"{name}.parquet"):
            found = read_parquet(file.read_bytes()).schema
            assert found.names == schema.names
            assert [one.type for one in found][:3] == [one.type for one in schema][:3]
