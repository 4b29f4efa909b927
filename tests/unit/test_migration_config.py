"""Where a project says that its migrations are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deebase import ConfigurationError, Database, migrations
from deebase.migrations import project as config


def test_without_settings_they_are_in_a_directory_of_that_name(tmp_path: Path) -> None:
    found = config.read(tmp_path)
    assert (found.directory, found.models) == (tmp_path / "migrations", None)


@pytest.mark.parametrize(("name", "head"), [("deebase.toml", ""), ("pyproject.toml", "[tool.deebase]\n")])
def test_the_nearest_file_upwards_says_it(tmp_path: Path, name: str, head: str) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / name).write_text(f'{head}migrations = "db/steps"\nmodels = "app.models"\n', encoding="utf-8")
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    found = config.read(inner)
    assert (found.root, found.directory, found.models) == (tmp_path, tmp_path / "db" / "steps", "app.models")


@pytest.mark.parametrize("text", ["migrations = 3", 'models = ""', "url = 'secret", "\x00"])
def test_what_cannot_be_read_is_refused_without_its_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "deebase.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        config.read(tmp_path)
    assert "secret" not in str(caught.value)


def test_a_database_has_the_migrations_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deebase.toml").write_text('migrations = "steps"', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert Database(":memory:").migrate.directory == tmp_path / "steps"


def test_applying_migrations_does_not_load_alembic() -> None:
    code = "import deebase.migrations, sys; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "False\n"


def test_every_public_name_can_be_imported() -> None:
    # Some of them are resolved when they are used.
    assert all(getattr(migrations, name).__name__ == name for name in migrations.__all__)
