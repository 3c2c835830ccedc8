"""Tests of the repository's own rules, which no linter checks."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "floorcast").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PYTHON = [*SOURCES, *TESTS, *sorted((ROOT / "benchmarks").rglob("*.py"))]

UNMIRRORED_FOLDERS = {"contract", "golden", "real", "house"}  # tests there cover many modules
MEDIAN_LINES = 200

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
SLEEPS = re.compile(r"\b(time\.sleep|asyncio\.sleep|anyio\.sleep)\((?!0\))")
EXCEPTION = re.compile(
    r"#\s*(noqa|type:\s*ignore)(?P<rule>:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z, -]+\])?(?P<reason>.*)"
)
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted|registry[.]npmjs|deb[.]debian|ghcr[.]io")
CATCH_ALL_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "base",
    "core",
    "manager",
}


def lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield the lines of these files, each with its file and number. This file is skipped."""
    for file in files:
        if file.samefile(__file__):
            continue
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            yield f"{file.relative_to(ROOT)}:{number}", line


def test_each_test_file_mirrors_a_source_file() -> None:
    """A test file such as ``tests/feeds/test_filters.py`` has a module in ``floorcast/feeds``.

    The module may also be a JavaScript module of the wallboard's page.
    """
    stray = []
    for file in TESTS:
        path = file.relative_to(ROOT / "tests")
        if not file.name.startswith("test_") or path.parts[0] in UNMIRRORED_FOLDERS:
            continue
        source = ROOT / "src" / "floorcast" / path.parent / file.name.removeprefix("test_")
        package = source.with_suffix("")
        script = source.parent / "page" / source.with_suffix(".js").name
        if not any(one.exists() for one in (source, package / "__init__.py", script)):
            stray.append(str(path))
    assert stray == []


def test_source_files_are_small() -> None:
    """Half of the source files with more than one line are shorter than the limit."""
    sizes = [len(file.read_text("utf-8").splitlines()) for file in SOURCES]
    assert median(size for size in sizes if size > 1) < MEDIAN_LINES


def test_file_names_are_domain_nouns() -> None:
    """No module or package has a catch-all name."""
    wrong = [
        str(file.relative_to(ROOT))
        for file in SOURCES
        if CATCH_ALL_NAMES & {*file.stem.split("_"), *file.parent.name.split("_")}
    ]
    assert wrong == []


def test_no_code_is_unfinished() -> None:
    """No file has a mark for unfinished work, which belongs in an issue."""
    assert [place for place, line in lines(SOURCES + TESTS) if UNFINISHED.search(line)] == []


def test_no_test_sleeps() -> None:
    """Tests use an injected clock. A sleep of 0 is allowed, because it only yields to the loop."""
    assert [place for place, line in lines(TESTS) if SLEEPS.search(line)] == []


def test_each_test_has_a_docstring() -> None:
    """Every test has a docstring, which states the behavior."""
    silent = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in TESTS
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_lint_exceptions_have_a_rule_and_a_reason() -> None:
    """Each ``noqa`` or ``type: ignore`` names its rule and gives a reason."""
    bare = []
    for place, line in lines(PYTHON):
        found = EXCEPTION.search(line)
        if found and not (found["rule"] and re.search(r"\w{2,}", found["reason"])):
            bare.append(place)
    assert bare == []


def test_no_file_contains_a_registry_or_home_path() -> None:
    """No file names a registry or a home folder, because these differ between machines."""
    texts = [
        file
        for pattern in (
            "*.md",
            "*.toml",
            "*.txt",
            "Makefile",
            ".ci/*",
            "docs/**/*.md",
            "src/**/*.py",
        )
        for file in ROOT.glob(pattern)
        if file.is_file()
    ]
    homes = re.compile(r"/(home|Users|root)/\w")
    found = [place for place, line in lines(texts) if REGISTRIES.search(line) or homes.search(line)]
    assert found == []


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = itertools.chain(
        project["dependencies"], *project["optional-dependencies"].values()
    )
    names = [re.split(r"[\[>=<~!; ]", requirement, maxsplit=1)[0] for requirement in requirements]
    return [name for name in names if name != project["name"]]  # an extra may include another


def test_each_dependency_has_a_reason() -> None:
    """docs/why.md has every dependency, including those of the extras."""
    reasons = (ROOT / "docs" / "why.md").read_text("utf-8")
    assert [name for name in dependencies() if f"**{name}**" not in reasons] == []


def test_each_dependency_is_pinned() -> None:
    """constraints.txt has every dependency. Otherwise, any version could be installed."""
    pins = (ROOT / "constraints.txt").read_text("utf-8").lower().replace("_", "-")
    assert [name for name in dependencies() if f"\n{name}==" not in pins] == []


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_readme_shows_both_commands(command: str) -> None:
    """The README has the two commands that a newcomer needs."""
    assert command in (ROOT / "README.md").read_text("utf-8")


def test_documented_layers_are_the_enforced_layers() -> None:
    """``docs/how-it-works.md`` shows the layers that import-linter checks."""
    page = (ROOT / "docs" / "how-it-works.md").read_text("utf-8")
    drawn = re.search(r"```layers\n(.*?)\n```", page, re.DOTALL)
    assert drawn is not None
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert drawn[1].splitlines() == layers


def test_every_package_is_in_the_package_table() -> None:
    """The table in ``docs/how-it-works.md`` lists every package."""
    page = (ROOT / "docs" / "how-it-works.md").read_text("utf-8")
    packages = {file.parent.name for file in (ROOT / "src" / "floorcast").glob("*/__init__.py")}
    assert packages == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_benchmarks_are_named_as_they_are_run() -> None:
    """Pages and the benchmarks' docstrings name ``python -m benchmarks.NAME``, which must exist.

    Run by its path, a benchmark would not find the modules that it shares with the others.
    """
    benchmarks = sorted((ROOT / "benchmarks").rglob("*.py"))
    pages = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    by_path = []
    named = set()
    for page in (*pages, *benchmarks):
        text = page.read_text("utf-8")
        by_path += [f"{page.name}: {path}" for path in re.findall(r"python benchmarks/\S+", text)]
        for name in re.findall(r"python -m benchmarks\.([a-z_.]*[a-z_])", text):
            named.add(ROOT / "benchmarks" / f"{name.replace('.', '/')}.py")
    started = {file for file in benchmarks if "__main__" in file.read_text("utf-8")}
    by_others = {ROOT / "benchmarks" / name for name in ("bare_server.py", "fanout/app.py")}
    assert by_path == []
    assert named - started == set(), "named, but cannot be run"
    assert started - named == by_others, "can be run, but no page or docstring says how"


def test_files_named_in_the_docs_exist() -> None:
    """A path such as ``floor/floor.py`` in the documentation must exist."""
    missing = [
        f"{page.name}: {path}"
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for path in re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text("utf-8"))
        if not any((root / path).exists() for root in (ROOT, ROOT / "src" / "floorcast"))
    ]
    assert missing == []
