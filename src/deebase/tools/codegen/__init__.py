"""Source code of table classes: one class, or a module that creates the same tables."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._model.columns import describe
from deebase._model.fields import fields_of
from deebase._rows.model import TableModel
from deebase._tables.table import Table
from deebase.errors import ValidationError
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.module import Outline, dataclass_options
from deebase.tools.codegen.source import module_source
from deebase.tools.codegen.writing import write_file

__all__ = ["create_mod", "create_mod_from_tables", "dataclass_src"]


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
    return _source([outline], localns, title="", creates=False)


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
    source = _source(outlines, localns, title="Classes of tables.", creates=False)
    write_file(path, source, overwrite=overwrite, operation="create_mod")


def create_mod_from_tables(path: str | os.PathLike[str], *tables: Table[Any], overwrite: bool = False) -> None:
    """Write tables as a module: a dataclass for each, and ``create_tables(db)``, which creates them.

    Args:
        path: the file.
        *tables: created from classes, or reflected.
        overwrite: replace the file if it exists.

    Raises:
        InvalidOperationError: the file exists, or cannot be written.
        ValidationError: there are no tables, or a column has a name that cannot be an attribute.
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
    outlines = [_of_table(table) for table in tables]
    source = _source(outlines, localns, title="Tables, and the function that creates them.", creates=True)
    write_file(path, source, overwrite=overwrite, operation="create_mod_from_tables")


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
    )


def _made_from(cls: type[Any]) -> TableModel | None:
    """Return the table of a class that ``table.dataclass()`` made."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return next((field.metadata["deebase"] for field in fields if "deebase" in field.metadata), None)


def _of_table(table: object) -> Outline:
    if not isinstance(table, Table):
        raise ValidationError("a table is needed", field="tables", hint="create_mod_from_tables(path, db.t.user)")
    source: TableContext = table._source  # pyright: ignore[reportPrivateUsage]
    return TableReader(source.model, source.catalog.facts(source.model.name), source.dialect).outline()


def _source(outlines: Sequence[Outline], localns: Mapping[str, Any], *, title: str, creates: bool) -> str:
    text, notes = module_source(outlines, localns, title=title, creates=creates)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return text
