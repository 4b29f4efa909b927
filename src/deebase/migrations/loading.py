"""Loading a migration: its file as two functions, run exactly as it was read."""

from __future__ import annotations

import importlib.abc
import importlib.util
import inspect
import itertools
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.splitting import split_script
from deebase.errors import MigrationError
from deebase.migrations.check.unawaited import unawaited_calls
from deebase.migrations.files import MigrationFile

if TYPE_CHECKING:
    from types import CodeType, ModuleType

    from deebase.database import Database

_MARKER = re.compile(r"--\s*(?P<section>upgrade|downgrade)\s*", re.IGNORECASE)
_IRREVERSIBLE = re.compile(r"^--\s*irreversible:\s*(?P<why>.*\S)\s*$", re.IGNORECASE | re.MULTILINE)
_NOT_TRANSACTIONAL = re.compile(r"^--\s*not transactional\s*$", re.IGNORECASE | re.MULTILINE)

_numbers = itertools.count()


class Irreversible:
    """The downgrade of a migration that cannot be undone.

    Attributes:
        why: the reason, for the message of ``down()``.
    """

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self, db: Database) -> NoReturn:
        """Refuse to undo the migration.

        Raises:
            MigrationError: always.
        """
        raise MigrationError(f"this migration cannot be undone: {self.why}", hint="restore a backup")


def irreversible(why: str) -> Irreversible:
    """Declare, in place of ``downgrade``, that a migration cannot be undone.

    Args:
        why: the reason, for the message of ``down()``.

    Returns:
        The value of ``downgrade``.

    Example:
        ```python
        downgrade = irreversible("the values of the dropped column are gone")
        ```
    """
    return Irreversible(why)


class Script(Protocol):
    """The functions of a migration.

    Attributes:
        transactional: whether it runs in one transaction, together with its row of the ledger.
        resumable: whether it continues where it was cut off: its chunks are transactions of their own.
        final: why it cannot be undone; None if it can.
    """

    transactional: bool
    resumable: bool
    final: str | None

    async def upgrade(self, db: Database) -> None:
        """Take the step."""
        ...

    async def downgrade(self, db: Database) -> None:
        """Undo the step."""
        ...

    def where(self, error: BaseException) -> str:
        """Return the place in the file where an error occurred; empty if it is unknown."""
        ...


# -- Python ------------------------------------------------------------------------------------------


class _Loader(importlib.abc.InspectLoader):
    """Runs the text that was read and checked, not the present file, nor a cached version."""

    def __init__(self, file: MigrationFile) -> None:
        self._file = file

    def get_source(self, fullname: str) -> str:
        # The seal is a line of its own: with it, line numbers are those of the file.
        return self._file.text if self._file.seal is None else f"\n{self._file.text}"

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_source(fullname), str(self._file.path))


class _PythonScript:
    def __init__(self, file: MigrationFile, module: ModuleType) -> None:
        self._path = str(file.path)
        self._upgrade = _function(file, module, "upgrade")
        self._downgrade = _function(file, module, "downgrade")
        self.final = self._downgrade.why if isinstance(self._downgrade, Irreversible) else None
        self.resumable = getattr(module, "resumable", False) is True
        self.transactional = not self.resumable and getattr(module, "transactional", True) is not False

    async def upgrade(self, db: Database) -> None:
        await self._upgrade(db)

    async def downgrade(self, db: Database) -> None:
        await self._downgrade(db)

    def where(self, error: BaseException) -> str:
        return _line(self._path, error)


def shown(error: BaseException) -> str:
    """Return the name of an error in the user's code, with its text if that can hold names alone, and no values."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}"
    kinds = (NameError, AttributeError, ImportError, TypeError)
    return f"{type(error).__name__}: {error}" if isinstance(error, kinds) else type(error).__name__


def _line(path: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename == path:
        return f" at line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f" at line {lines[-1]}" if lines else ""


def _function(file: MigrationFile, module: ModuleType, name: str) -> Callable[[Database], Awaitable[Any]]:
    found = getattr(module, name, None)
    if isinstance(found, Irreversible) or inspect.iscoroutinefunction(found):
        function: Callable[[Database], Awaitable[Any]] = found
        return function
    raise MigrationError(
        f"{file.path} has no function 'async def {name}(db)'",
        hint='downgrade may be: downgrade = irreversible("why")' if name == "downgrade" else "write one",
    )


def _refuse_unawaited(file: MigrationFile) -> None:
    first_line = 1 if file.seal is None else 2
    found = unawaited_calls(file.text)
    if found:
        calls = "; ".join(f"line {line + first_line - 1}: {call} is called without await" for line, call in found)
        raise MigrationError(f"{file.path}, {calls}: nothing was run", hint="write await before the call")


@contextmanager
def _python(file: MigrationFile) -> Generator[Script, None, None]:
    _refuse_unawaited(file)
    # In sys.modules while it runs, because dataclasses and annotations look up their module there.
    name = f"_deebase_migration_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, file.path, loader=_Loader(file))
    if spec is None or spec.loader is None:
        raise MigrationError(f"{file.path} cannot be loaded", hint="is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise MigrationError(
                f"{file.path} cannot be loaded: {shown(error)}{_line(str(file.path), error)}",
                hint="correct the file; nothing of it was run",
            ) from error
        yield _PythonScript(file, module)
    finally:
        sys.modules.pop(name, None)


# -- SQL ---------------------------------------------------------------------------------------------


class _SqlScript:
    def __init__(self, file: MigrationFile, database: Capabilities) -> None:
        parts = sections(file)
        self.final = reason(parts["downgrade"])
        self.resumable = False
        self.transactional = is_one_transaction(file)
        self._parts = parts
        self._database = database
        self._statement = 0

    async def upgrade(self, db: Database) -> None:
        await self._run(db, "upgrade")

    async def downgrade(self, db: Database) -> None:
        await self._run(db, "downgrade")

    async def _run(self, db: Database, section: str) -> None:
        for number, statement in enumerate(split_script(self._parts[section], self._database.tokens), start=1):
            self._statement = number
            await db.q(statement)

    def where(self, error: BaseException) -> str:
        return f" at statement {self._statement}" if self._statement else ""


def is_one_transaction(file: MigrationFile) -> bool:
    """Whether a file of SQL lacks the line ``-- not transactional``."""
    return _NOT_TRANSACTIONAL.search(file.text) is None


def reason(downgrade: str) -> str | None:
    """Return why a downgrade is irreversible; None if it is not."""
    found = _IRREVERSIBLE.search(downgrade)
    return found["why"] if found else None


def is_marker(line: str) -> bool:
    """Whether a line of SQL begins a section, or declares something about the migration."""
    return any(pattern.fullmatch(line.strip()) for pattern in (_MARKER, _IRREVERSIBLE, _NOT_TRANSACTIONAL))


def sections(file: MigrationFile) -> dict[str, str]:
    """Return the two sections of a migration in SQL.

    Raises:
        MigrationError: one is missing or occurs twice, or a statement stands above them.
    """
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in file.text.split("\n"):
        marker = _MARKER.fullmatch(line.strip())
        if marker is not None:
            section = marker["section"].lower()
            if section in parts:
                raise MigrationError(f"{file.path} has two sections '-- {section}'", hint="make them one")
            lines = parts[section] = []
        elif not parts and line.strip() and not line.lstrip().startswith("--"):
            raise MigrationError(f"{file.path} begins without '-- upgrade'", hint="write that above the statements")
        else:
            lines.append(line)
    for section in ("upgrade", "downgrade"):
        if section not in parts:
            raise MigrationError(
                f"{file.path} has no section '-- {section}'",
                hint="write that line, and the statements below it"
                + (", or: -- irreversible: why" if section == "downgrade" else ""),
            )
    return {section: "\n".join(found) for section, found in parts.items()}


@contextmanager
def loaded(file: MigrationFile, database: Capabilities) -> Generator[Script, None, None]:
    """Give the functions of a migration, for the length of the block.

    Args:
        file: the file as it was read.
        database: the database, whose syntax statements in SQL have.

    Raises:
        MigrationError: the file cannot be loaded, or lacks a part.
    """
    if file.suffix == ".sql":
        yield _SqlScript(file, database)
    else:
        with _python(file) as script:
            yield script
