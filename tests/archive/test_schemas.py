"""The files have the schemas that ``docs/archive.md`` describes, and its queries run."""

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
    """An archive with some hours."""
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
    """Change into the archive's folder."""
    before = Path.cwd()
    os.chdir(archive)
    yield
    os.chdir(before)


@pytest.mark.usefixtures("in_archive_folder")
@pytest.mark.parametrize("query", SQL)
def test_each_duckdb_query_returns_rows(query: str) -> None:
    """Each query runs as pasted."""
    assert duckdb.connect().execute(query).fetchall()


@pytest.mark.usefixtures("in_archive_folder")
@pytest.mark.parametrize("program", PYTHON)
def test_each_pandas_program_prints(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each program runs as pasted."""
    exec(program, {})
    assert "SEBY" in capsys.readouterr().out


def test_the_page_has_queries() -> None:
    """Without queries on the page, the tests above would test nothing."""
    assert len(SQL) >= 3
    assert PYTHON


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_column_is_described(name: str) -> None:
    """Each column is described in the section of its file, at least with its family (``…``)."""
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
    """Names and types match the schema."""
    for name, schema in SCHEMAS.items():
        for file in archive.rglob(f"{name}.parquet"):
            found = read_parquet(file.read_bytes()).schema
            assert found.names == schema.names
            assert [one.type for one in found][:3] == [one.type for one in schema][:3]
