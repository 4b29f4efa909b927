"""The names a user may import."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import deebase
from deebase import errors
from tests.support.worlds import case

NAMES = {
    "Check",
    "Column",
    "ColumnName",
    "Computed",
    "Database",
    "DatabaseSize",
    "Default",
    "Digits",
    "ForeignKey",
    "ImportReport",
    "ImportedColumn",
    "Index",
    "Indexed",
    "MaxLength",
    "Native",
    "Page",
    "PrimaryKey",
    "Query",
    "References",
    "Rows",
    "SchemaEditor",
    "SchemaSQL",
    "Search",
    "SearchQuery",
    "Hit",
    "Table",
    "TableSize",
    "Text",
    "Transaction",
    "TransformPlan",
    "UNSET",
    "UTCDateTime",
    "Unique",
    "UpdatedAt",
    "View",
}
FUNCTIONS = {
    *("create_mod", "create_mod_from_database", "create_mod_from_tables", "dataclass_src"),
    *("now", "uuid4", "uuid7"),
}


def error_names(base: type[BaseException] = errors.DeeBaseError) -> set[str]:
    own = {base.__name__} if base.__module__ == errors.__name__ else set()
    return own.union(*(error_names(child) for child in base.__subclasses__()))


def test_the_public_names_are_the_documented_ones() -> None:
    assert set(deebase.__all__) == NAMES | FUNCTIONS | error_names()


def test_the_public_names_are_listed_once() -> None:
    assert len(deebase.__all__) == len(set(deebase.__all__))
    assert set(deebase.__all__) <= set(dir(deebase))


def test_a_public_name_is_importable_and_documented() -> None:
    for name in deebase.__all__:
        value = getattr(deebase, name)
        documented = value if inspect.isclass(value) else type(value)
        assert (inspect.getdoc(value) or inspect.getdoc(documented) or "").strip(), name


def test_a_star_import_gives_the_public_names() -> None:
    code = "from deebase import *; import deebase; assert set(deebase.__all__) <= set(globals())"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_an_unknown_name_is_an_attribute_error() -> None:
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(deebase, name)


def test_the_version_is_that_of_the_package() -> None:
    assert deebase.__version__ == importlib.metadata.version("deebase")


def test_a_name_that_moved_warns_and_works() -> None:
    from deebase.tools.copying import copy_database

    with pytest.warns(DeprecationWarning, match=r"deebase\.tools\.copying"):
        from deebase.copying import copy_database as former
    assert former is copy_database
    with pytest.raises(AttributeError, match="nothing"):
        importlib.import_module("deebase.copying").nothing  # noqa: B018


PACKAGE = Path(deebase.__file__).parent

#: The modules that a user imports names from.
MODULES = (
    *("deebase", "deebase.errors", "deebase.fields", "deebase.types", "deebase.migrations", "deebase.testing"),
    *("deebase.tools.backup", "deebase.tools.codegen", "deebase.tools.copying", "deebase.tools.doctor"),
)
PUBLIC_CLASSES = {
    f"{module}.{name}": value
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if inspect.isclass(value := getattr(importlib.import_module(module), name))
}


def test_a_public_class_shows_a_path_that_it_can_be_imported_from() -> None:
    for path, cls in PUBLIC_CLASSES.items():
        assert cls.__module__ in MODULES, path
        assert getattr(importlib.import_module(cls.__module__), cls.__qualname__) is cls, path


def test_a_public_class_can_be_pickled_and_inspected() -> None:
    for path, cls in PUBLIC_CLASSES.items():
        with case(path):
            check_inspection(cls)


def check_inspection(cls: type) -> None:
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert inspect.getmodule(cls) is importlib.import_module(cls.__module__)
    assert inspect.signature(cls) is not None
    for member in vars(cls).values():
        if inspect.isfunction(member) and Path(member.__code__.co_filename).is_relative_to(PACKAGE):
            assert "def " in inspect.getsource(member)


def test_a_page_can_be_pickled_and_its_annotations_read() -> None:
    assert repr(deebase.Page) == "<class 'deebase.Page'>"
    page = deebase.Page([{"id": 1}], next="n", previous=None)
    assert pickle.loads(pickle.dumps(page)) == page
    assert typing.get_type_hints(deebase.Page)["next"] == str | None
    assert repr(page).startswith("Page(")
