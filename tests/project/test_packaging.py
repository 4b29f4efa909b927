"""The package: what its metadata says, and what is in it. `.ci/package` builds and installs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.tree import PACKAGE, ROOT, project_files, relative

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
META: dict[str, Any] = PROJECT["project"]
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?(?P<versions>[^;]*)(?:;.*)?")


def requirement(line: str) -> tuple[str, str]:
    match = REQUIREMENT.fullmatch(line)
    assert match is not None, line
    return match["name"], match["versions"].strip()


def text_files() -> list[Path]:
    return [path for path in project_files() if path.suffix in {".py", ".md", ".toml", ".yml", ".css", ".ipynb", ""}]


def test_the_version_is_written_once() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", META["version"])
    written = re.compile(rf"""^(?:version|__version__)\b.*["']{re.escape(META["version"])}["']""", re.MULTILINE)
    places = [relative(path) for path in text_files() if written.search(path.read_text(encoding="utf-8"))]
    assert places == ["pyproject.toml"]


def test_every_dependency_has_an_oldest_version() -> None:
    found = dict(map(requirement, META["dependencies"]))
    assert set(found) == {"aiosqlite", "alembic", "asyncpg", "click", "rich", "sqlalchemy"}
    assert [name for name, versions in found.items() if not versions.startswith(">=")] == []


def test_the_extras_are_for_file_formats_for_browsers_and_for_those_who_work_on_it() -> None:
    extras = META["optional-dependencies"]
    assert set(extras) == {"arrow", "bench", "browser", "dev", "docs", "mcp", "web"}
    runtime = {requirement(line)[0] for line in META["dependencies"]}
    assert [line for lines in extras.values() for line in lines if requirement(line)[0] in runtime] == []


def test_the_supported_versions_of_python_are_the_same_everywhere() -> None:
    classified = [line.rpartition(" ")[2] for line in META["classifiers"] if " :: Python :: 3." in line]
    assert META["requires-python"] == f">={classified[0]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == classified[0]
    assert PROJECT["tool"]["pyright"]["pythonVersion"] == classified[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{classified[0].replace('.', '')}"
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    assert f"| Python | {', '.join(classified)} |" in page


def test_the_licence_is_the_one_that_is_named() -> None:
    assert META["license"] == "Apache-2.0"
    (named,) = META["license-files"]
    assert "Apache License" in (ROOT / named).read_text(encoding="utf-8")


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""


def test_the_sdist_has_all_that_tests_and_documentation_need() -> None:
    listed = {name.strip("/") for name in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}
    # Hatchling puts these in by itself.
    listed |= {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}
    tops = {relative(path).partition("/")[0] for path in project_files()}
    assert tops - listed <= {".ci", ".hypothesis", "uv.lock"}
    assert listed <= tops


def test_no_file_names_a_place_of_one_machine() -> None:
    place = re.compile(rf"{re.escape(str(ROOT))}|/(?:home|Users)/(?!me\b|you\b|user\b|ada\b)\w+/")
    found = [
        f"{relative(path)}: {match[0]}"
        for path in text_files()
        if (match := place.search(path.read_text(encoding="utf-8"))) is not None
    ]
    assert found == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:src|tests|docs)/[\w/.-]+)`", text)) | set(
        re.findall(r"\]\(([\w/.-]+)(?:#[\w-]+)?\)", text)
    )
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_names_in_the_recipes_are_those_of_the_code() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    # Constants, classes, and functions with an underscore. SQL and a program are written like these.
    names = set(re.findall(r"`(_?[A-Z][A-Z_]+|[A-Z][a-z]\w*|[a-z]+_\w+)`", text)) - {"RETURNING", "pg_dump"}
    assert len(names) > 15
    files = [path for tree in (PACKAGE, ROOT / "tests") for path in tree.rglob("*.py")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    defined = r"^(?: *(?:async )?def {0}\(|class {0}\b|{0}\b[^=]*=)"
    assert [name for name in names if not re.search(defined.format(name), sources, re.MULTILINE)] == []
