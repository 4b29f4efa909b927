"""The text of a draft: its template, recorded commands, and whether it is ready to be sealed."""

from __future__ import annotations

import ast
import contextlib
import warnings

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.splitting import split_script
from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.files import MigrationFile
from deebase.migrations.loading import is_marker, reason, sections

_PYTHON = '''"""{title}."""

from deebase import Database


async def upgrade(db: Database) -> None:
    """Take the step."""


async def downgrade(db: Database) -> None:
    """Undo the step."""
'''

_PYTHON_DATA = '''"""{title}."""

from deebase import Database
from deebase.migrations import chunked, irreversible

# Not one transaction: each chunk is saved with its place, and `up` goes on there if it was cut off. What stands
# outside of the loop is run again then.
resumable = True


async def upgrade(db: Database) -> None:
    """Change the rows."""
    # await db.reflect()
    # async for rows in chunked(db.t["user"], size=1000):
    #     await db.t["user"].update_all([{{"id": row["id"], "name": row["name"].strip()}} for row in rows])


downgrade = irreversible("the rows as they were are not kept")
'''

_SQL = """-- {title}.

-- upgrade

-- downgrade
"""

_SQL_DATA = """-- {title}.

-- upgrade

-- downgrade
-- irreversible: the rows as they were are not kept
"""

_NOT_UNDONE = "a step of it has no way back"


def template(title: str, *, sql: bool, data: bool) -> str:
    """Return the text of a draft that does nothing yet."""
    text = (_SQL_DATA if data else _SQL) if sql else (_PYTHON_DATA if data else _PYTHON)
    return text.format(title=sentence(title))


def sentence(title: str) -> str:
    """Return a title as it stands in a docstring or a comment."""
    words = " ".join("".join(c for c in title if c.isprintable() or c.isspace()).split())
    words = words.replace("\\", "/").replace('"', "'")
    return (words[:1].upper() + words[1:]).rstrip(".") or "Changes"


def is_empty(file: MigrationFile, database: Capabilities) -> bool:
    """Whether a draft does nothing yet."""
    return _blank(file, "upgrade", database)


def check_finished(file: MigrationFile, database: Capabilities) -> None:
    """Refuse a migration that is not ready to be sealed.

    Raises:
        MigrationError: a part of it is missing, empty, or not valid Python.
    """
    if _blank(file, "upgrade", database):
        raise MigrationError(f"{file.path} does nothing", hint="write its upgrade, or remove the file")
    if _blank(file, "downgrade", database):
        other = "-- irreversible: why" if file.suffix == ".sql" else 'downgrade = irreversible("why")'
        raise MigrationError(f"{file.path} has no way back", hint=f"write its downgrade, or: {other}")


def _blank(file: MigrationFile, section: str, database: Capabilities) -> bool:
    if file.suffix == ".sql":
        text = sections(file)[section]
        return reason(text) is None and not split_script(text, database.tokens)
    node = _part(file, section)
    return isinstance(node, ast.AsyncFunctionDef) and all(_does_nothing(item) for item in node.body)


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _part(file: MigrationFile, name: str) -> ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign:
    """Return the function, or the assignment in its place."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise MigrationError(
            f"{file.path} is not valid Python{f': look at line {line}' if line else ''}", hint="correct the file"
        ) from error
    for node in reversed(tree.body):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name:
            return node
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node
    raise MigrationError(f"{file.path} has no function 'async def {name}(db)'", hint="write one at the top level")


# -- recording ---------------------------------------------------------------------------------------


def appended(file: MigrationFile, up: str, down: str | None) -> str:
    """Return the text of a draft with another step at the end of its upgrade, which its downgrade undoes first.

    Args:
        file: the draft.
        up: SQL.
        down: SQL; None makes the whole migration irreversible.

    Raises:
        MigrationError: the form of the draft does not allow another step.
    """
    return _in_sql(file, up, down) if file.suffix == ".sql" else _in_python(file, up, down)


def _in_python(file: MigrationFile, up: str, down: str | None) -> str:
    # Split where Python ends a line; splitlines() splits at more characters.
    lines = [f"{line}\n" for line in file.text.rstrip("\n").split("\n")]
    upgrade, downgrade = _part(file, "upgrade"), _part(file, "downgrade")
    if not isinstance(upgrade, ast.AsyncFunctionDef):
        raise MigrationError(f"{file.path} has an upgrade that is not a function", hint="write async def upgrade(db)")
    changes = [_inserted(lines, upgrade, len(upgrade.body), up)]
    if isinstance(downgrade, ast.AsyncFunctionDef):
        if down is None:
            new = f'downgrade = irreversible("{_NOT_UNDONE}")\n'
            changes.append((downgrade.lineno - 1, downgrade.end_lineno or downgrade.lineno, new))
            changes += _import_of_irreversible(file.text)
        else:
            changes.append(_inserted(lines, downgrade, 1 if _does_nothing(downgrade.body[0]) else 0, down))
    # From the end, so that a change does not move the places of the others.
    for start, end, new in sorted(changes, reverse=True):
        lines[start:end] = [new]
    return "".join(lines)


def _import_of_irreversible(text: str) -> list[tuple[int, int, str]]:
    body = ast.parse(text).body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    if any((alias.asname or alias.name) == "irreversible" for node in imports for alias in node.names):
        return []
    above: list[ast.stmt] = [*imports[-1:]] or [node for node in body[:1] if _does_nothing(node)]
    place = (above[0].end_lineno or 0) if above else 0
    return [(place, place, "from deebase.migrations import irreversible\n")]


def _inserted(lines: list[str], function: ast.AsyncFunctionDef, at: int, sql: str) -> tuple[int, int, str]:
    """Return the line that runs a statement before the item ``at`` of a function's body, and its place."""
    body = function.body
    indent = lines[body[0].lineno - 1][: body[0].col_offset]
    if indent.strip() or not function.args.args:
        raise MigrationError(
            f"line {function.lineno} of the draft cannot be added to", hint=f"async def {function.name}(db): and below"
        )
    place = (body[at - 1].end_lineno or 0) if at else body[0].lineno - 1
    return place, place, f"{indent}await {function.args.args[0].arg}.q({literal(sql)})\n"


def literal(sql: str) -> str:
    """Return SQL as a Python literal, over several lines if the SQL has several."""
    for prefix in ("", "r") if "\n" in sql and "\r" not in sql else ():
        # A carriage return would be read back as the end of a line.
        block = f'{prefix}"""{sql}"""'
        # Quotes or backslashes at the end can only be written by repr().
        with contextlib.suppress(SyntaxError, ValueError), warnings.catch_warnings():
            warnings.simplefilter("error")
            if ast.literal_eval(block) == sql:
                return block
    plain = sql.isprintable() and not {'"', "\\"}.intersection(sql)
    return f'"{sql}"' if plain else repr(sql)


def _in_sql(file: MigrationFile, up: str, down: str | None) -> str:
    parts = sections(file)
    if any(is_marker(line) for sql in (up, down or "") for line in sql.split("\n")):
        raise MigrationError(
            f"{file.path} cannot take this statement: a line of it reads like a section",
            hint="seal the draft; one in Python can hold the statement",
        )
    lines = file.text.split("\n")
    above = "\n".join(lines[: next(n for n, line in enumerate(lines) if is_marker(line))]).strip()
    upgrade = f"{parts['upgrade'].strip()}\n{_ended(up)}".strip()
    downgrade = parts["downgrade"].strip()
    if down is None:
        downgrade = f"-- irreversible: {_NOT_UNDONE}"
    elif reason(downgrade) is None:
        downgrade = f"{_ended(down)}\n{downgrade}".strip()
    found = [*([above] if above else []), f"-- upgrade\n{upgrade}", f"-- downgrade\n{downgrade}"]
    return "\n\n".join(found) + "\n"


def _ended(sql: str) -> str:
    # On a line of its own, so that it is not a part of a comment at the end of the statement.
    text = sql.strip(" \t\n\r\f\v")
    if "--" in text:
        return f"{text}\n;"
    return text if text.endswith(";") else f"{text};"


def draft_name(title: str) -> str:
    """Return the name of a draft: ``draft-add-age``, or ``draft``."""
    return f"{files.DRAFT}-{title}" if title else files.DRAFT
