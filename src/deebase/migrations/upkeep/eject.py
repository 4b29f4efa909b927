"""`eject`: a plain Alembic environment with the schema that the migrations make, which does not need DeeBase."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from deebase.errors import MigrationError
from deebase.migrations.compare import creation_order as ordering
from deebase.migrations.compare.schema import read
from deebase.migrations.hints import either
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay, sealed_files
from deebase.migrations.write.drafts import literal

_REVISION = '''"""The schema of {last}.

A database that has it already: alembic stamp head
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    connection = op.get_bind()
{upgrade}


def downgrade() -> None:
    """Undo the step."""
    connection = op.get_bind()
{downgrade}
'''


async def eject(target: Target, migrations: Path, environment: Path) -> Path:
    """Write an Alembic environment whose only revision makes the schema of all migrations; return that file."""
    ini = environment.parent / "alembic.ini"
    _require_new(environment, ini)
    files = sealed_files(migrations)
    async with target.scratch() as made:
        await replay(made, files)
        schema = await read(made)
    text = _REVISION.format(
        last=files[-1].name if files else "an empty database",
        upgrade=_calls([sql for item in schema.script.objects for sql in item.create]),
        downgrade=_calls([sql for item in ordering.removal(schema) for sql in item.drop]),
    )
    try:
        config = Config(ini, stdout=io.StringIO(), cmd_opts=Namespace(quiet=True))
        command.init(config, str(environment), template="async")
        path = environment / "versions" / "0001_schema.py"
        path.write_text(text, encoding="utf-8", newline="\n")
        _name_database(ini, target)
    except (OSError, CommandError) as error:
        raise MigrationError(
            f"{environment} cannot be written: {error}", hint="check the permissions and the disk"
        ) from error
    return path


def _require_new(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise MigrationError(
                f"{path} already exists", hint=either("eject('other')", "eject other") + " writes elsewhere"
            )


def _calls(statements: Sequence[str]) -> str:
    return "\n".join([f"    connection.exec_driver_sql({literal(sql)})" for sql in statements]) or "    del connection"


def _name_database(ini: Path, target: Target) -> None:
    """Write the URL into the settings of Alembic, without its password."""
    url = target.settings.sa_url.set(password=None)
    written = url.render_as_string().replace("%", "%%")
    lines = ini.read_text(encoding="utf-8").splitlines()
    lines = [f"sqlalchemy.url = {written}" if line.startswith("sqlalchemy.url") else line for line in lines]
    ini.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
