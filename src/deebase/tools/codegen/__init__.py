"""Source code of table classes: one class, or a module that creates the same tables."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._engine.tool_access import tools_on
from deebase._model.class_fields import fields_of
from deebase._model.columns import describe
from deebase._model.marks import options_of
from deebase._rows.model import TableModel
from deebase._tables.table import Table
from deebase.database import Database
from deebase.errors import ValidationError
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.database_module import database_module
from deebase.tools.codegen.module import Outline, dataclass_options
from deebase.tools.codegen.source import module_source
from deebase.tools.codegen.table_module import table_module
from deebase.tools.codegen.writing import write_file

__all__ = ["create_mod", "create_mod_from_database", "create_mod_from_tables", "dataclass_src"]


def dataclass_src(source: type[Any] | Table[Any]) -> str:
    """Return the source of a class, with the imports and classes that it needs.

    Args:
        source: a dataclass, or any class that ``create`` accepts; methods are omitted. A table, or the class of
            ``table.dataclass()``, becomes a dataclass with the types of the columns.

    Returns:
        The text of a module.

    Raises:
        UnsupportedTypeError: an annotation has no column type, or needs a class that cannot be imported.
        ValidationError: a default cannot be written.

    Warns:
        UserWarning: something that the source cannot express; a comment in it names it.

    Example:
        ```python
        print(dataclass_src(User))
        ```
    """
    localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
    outline = _of_table(source) if isinstance(source, Table) else _of_class(source, localns)
    return _source([outline], localns, title="")


def create_mod(path: str | os.PathLike[str], *classes: type[Any], overwrite: bool = False) -> None:
    """Write classes as a module.

    A dataclass stays a dataclass; ``create`` makes the same tables of the written classes.

    Args:
        path: the file.
        *classes: as in ``create``; methods are omitted.
        overwrite: replace the file if it exists.

    Raises:
        InvalidOperationError: the file exists, or cannot be written.
        UnsupportedTypeError: an annotation has no column type, or needs a class that cannot be imported.
        ValidationError: there are no classes, or a default cannot be written.

    Warns:
        UserWarning: something that the source cannot express; a comment in it names it.

    Example:
        ```python
        create_mod("models.py", User, Post, overwrite=True)
        ```
    """
    localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
    _some("create_mod", classes)
    outlines = [_of_class(cls, localns) for cls in classes]
    source = _source(outlines, localns, title="Classes of tables.")
    write_file(path, source, overwrite=overwrite, operation="create_mod")


def create_mod_from_tables(path: str | os.PathLike[str], *tables: Table[Any], overwrite: bool = False) -> None:
    """Write tables as a module: a dataclass for each, and ``create_tables(db)``, which creates them.

    It uses what reflection found of the tables, and does not access the database. ``create_mod_from_database`` also
    writes what belongs to no table, such as functions, and on PostgreSQL everything that ``create`` does not express.

    Args:
        path: the file.
        *tables: created from classes, or reflected.
        overwrite: replace the file if it exists.

    Raises:
        InvalidOperationError: the file exists, or cannot be written.
        ValidationError: there are no tables.
        UnsupportedTypeError: a column needs a class that cannot be imported.

    Warns:
        UserWarning: a part of a table that the module cannot express, such as a CHECK; a comment in it names it.

    Example:
        ```python
        await db.reflect()
        create_mod_from_tables("models.py", *db.t, overwrite=True)
        ```
    """
    localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
    _some("create_mod_from_tables", tables)
    sources = [_source_of(table) for table in tables]
    known = [(source.model, source.catalog.facts(source.model.name)) for source in sources]
    tools = tools_on(sources[0].executor)
    script = tools.known_script([facts for _, facts in known if facts is not None])
    text, notes = table_module(known, sources[0].dialect, script=script, tools=tools, localns=localns)
    _warn(notes)
    write_file(path, text, overwrite=overwrite, operation="create_mod_from_tables")


async def create_mod_from_database(
    path: str | os.PathLike[str],
    db: Database,
    *tables: str,
    schema: str | Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a database as a module: a dataclass for each table and view, and ``create_tables(db)``.

    In an empty database of the same kind, the function makes the same schema. What ``create`` does not make exactly
    is created by its SQL: tables with constraints and types of the database, functions, triggers, policies.
    ``db.t`` and ``db.v`` have all tables and views then.

    Args:
        path: the file.
        db: the database.
        *tables: the names of tables and views, for a part of the database; objects that they need come with them.
        schema: the schema, or schemas, to write; all of them by default.
        overwrite: replace the file if it exists.

    Raises:
        InvalidOperationError: the file exists, or cannot be written; the database has nothing to write.
        TableNotFoundError: a table does not exist.
        UnsupportedTypeError: a column needs a class that cannot be imported.

    Warns:
        UserWarning: a part of the database that the module does not create; a comment in it names it.

    Example:
        ```python
        await create_mod_from_database("models.py", db, overwrite=True)
        ```
    """
    text, notes = await database_module(db, tables, (schema,) if isinstance(schema, str) else schema)
    _warn(notes)
    write_file(path, text, overwrite=overwrite, operation="create_mod_from_database")


def _some(operation: str, given: Sequence[object]) -> None:
    if not given:
        raise ValidationError(f"{operation} has nothing to write", hint=f"{operation}('models.py', User)")


def _of_class(cls: Any, localns: Mapping[str, Any]) -> Outline:
    if not isinstance(cls, type):
        raise ValidationError("a class or a table is needed", field="cls", hint="dataclass_src(User)")
    model = _made_from(cls)
    if model is not None:
        return TableReader(model).outline()
    own_doc = vars(cls).get("__doc__") or ""
    is_dataclass = dataclasses.is_dataclass(cls)
    if is_dataclass and own_doc.startswith(f"{cls.__name__}("):
        own_doc = ""  # the docstring that @dataclass adds
    return Outline(
        wanted=cls.__name__,
        columns=tuple(describe(cls, localns)),
        options=dataclass_options(cls) if is_dataclass else None,
        doc=own_doc,
        nulls=frozenset([item.name for item in fields_of(cls, localns) if item.default is None]),
        cls=cls,
        attributes=options_of(cls),
    )


def _made_from(cls: type[Any]) -> TableModel | None:
    """Return the table of a class that ``table.dataclass()`` made."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return next((field.metadata["deebase"] for field in fields if "deebase" in field.metadata), None)


def _source_of(table: object) -> TableContext:
    if not isinstance(table, Table):
        raise ValidationError("a table is needed", field="tables", hint="create_mod_from_tables(path, db.t.user)")
    source: TableContext = table._source  # pyright: ignore[reportPrivateUsage]
    return source


def _of_table(table: Table[Any]) -> Outline:
    source = _source_of(table)
    return TableReader(source.model, source.catalog.facts(source.model.name), source.dialect).outline()


def _source(outlines: Sequence[Outline], localns: Mapping[str, Any] | None, *, title: str) -> str:
    text, notes = module_source(outlines, localns, title=title)
    _warn(notes)
    return text


def _warn(notes: Sequence[str]) -> None:
    for note in notes:
        warnings.warn(note, stacklevel=3)
