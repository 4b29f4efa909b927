"""DeeBase: async tables for SQLite and PostgreSQL on SQLAlchemy Core.

Public names are resolved when they are first used, so that ``import deebase`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deebase._engine.transaction import Transaction as Transaction
    from deebase._files.reports import ImportedColumn as ImportedColumn
    from deebase._files.reports import ImportReport as ImportReport
    from deebase._pictures.notebook import Rows as Rows
    from deebase._schema.database_size import DatabaseSize as DatabaseSize
    from deebase._schema.database_size import TableSize as TableSize
    from deebase._tables.described_columns import Column as Column
    from deebase._tables.page import Page as Page
    from deebase._tables.query import Query as Query
    from deebase._tables.schema_editor import SchemaEditor as SchemaEditor
    from deebase._tables.schema_editor import TransformPlan as TransformPlan
    from deebase._tables.search import Hit as Hit
    from deebase._tables.search import SearchQuery as SearchQuery
    from deebase._tables.table import Table as Table
    from deebase._tables.view import View as View
    from deebase.database import Database as Database
    from deebase.errors import BusyError as BusyError
    from deebase.errors import CheckViolationError as CheckViolationError
    from deebase.errors import ColumnNotFoundError as ColumnNotFoundError
    from deebase.errors import CommitOutcomeUnknownError as CommitOutcomeUnknownError
    from deebase.errors import ConfigurationError as ConfigurationError
    from deebase.errors import ConnectionError as ConnectionError
    from deebase.errors import DatabaseError as DatabaseError
    from deebase.errors import DataError as DataError
    from deebase.errors import DeadlockError as DeadlockError
    from deebase.errors import DeeBaseError as DeeBaseError
    from deebase.errors import ForeignKeyViolationError as ForeignKeyViolationError
    from deebase.errors import IntegrityError as IntegrityError
    from deebase.errors import InvalidOperationError as InvalidOperationError
    from deebase.errors import MigrationError as MigrationError
    from deebase.errors import MultipleRowsError as MultipleRowsError
    from deebase.errors import NotFoundError as NotFoundError
    from deebase.errors import NotNullViolationError as NotNullViolationError
    from deebase.errors import QueryError as QueryError
    from deebase.errors import QueryTimeoutError as QueryTimeoutError
    from deebase.errors import SchemaError as SchemaError
    from deebase.errors import ScopeError as ScopeError
    from deebase.errors import SerializationError as SerializationError
    from deebase.errors import TableExistsError as TableExistsError
    from deebase.errors import TableNotFoundError as TableNotFoundError
    from deebase.errors import TransactionAbortedError as TransactionAbortedError
    from deebase.errors import TransactionError as TransactionError
    from deebase.errors import UniqueViolationError as UniqueViolationError
    from deebase.errors import UnsupportedTypeError as UnsupportedTypeError
    from deebase.errors import ValidationError as ValidationError
    from deebase.fields import Check as Check
    from deebase.fields import Computed as Computed
    from deebase.fields import Default as Default
    from deebase.fields import Digits as Digits
    from deebase.fields import Indexed as Indexed
    from deebase.fields import PrimaryKey as PrimaryKey
    from deebase.fields import References as References
    from deebase.fields import Unique as Unique
    from deebase.fields import UpdatedAt as UpdatedAt
    from deebase.fields import now as now
    from deebase.fields import uuid4 as uuid4
    from deebase.fields import uuid7 as uuid7
    from deebase.tools.codegen import create_mod as create_mod
    from deebase.tools.codegen import create_mod_from_database as create_mod_from_database
    from deebase.tools.codegen import create_mod_from_tables as create_mod_from_tables
    from deebase.tools.codegen import dataclass_src as dataclass_src
    from deebase.types import UNSET as UNSET
    from deebase.types import ColumnName as ColumnName
    from deebase.types import ForeignKey as ForeignKey
    from deebase.types import Index as Index
    from deebase.types import MaxLength as MaxLength
    from deebase.types import Native as Native
    from deebase.types import SchemaSQL as SchemaSQL
    from deebase.types import Search as Search
    from deebase.types import Text as Text
    from deebase.types import UTCDateTime as UTCDateTime

__all__ = [
    "UNSET",
    "BusyError",
    "Check",
    "CheckViolationError",
    "Column",
    "ColumnName",
    "ColumnNotFoundError",
    "CommitOutcomeUnknownError",
    "Computed",
    "ConfigurationError",
    "ConnectionError",
    "DataError",
    "Database",
    "DatabaseError",
    "DatabaseSize",
    "DeadlockError",
    "DeeBaseError",
    "Default",
    "Digits",
    "ForeignKey",
    "ForeignKeyViolationError",
    "Hit",
    "ImportReport",
    "ImportedColumn",
    "Index",
    "Indexed",
    "IntegrityError",
    "InvalidOperationError",
    "MaxLength",
    "MigrationError",
    "MultipleRowsError",
    "Native",
    "NotFoundError",
    "NotNullViolationError",
    "Page",
    "PrimaryKey",
    "Query",
    "QueryError",
    "QueryTimeoutError",
    "References",
    "Rows",
    "SchemaEditor",
    "SchemaError",
    "SchemaSQL",
    "ScopeError",
    "Search",
    "SearchQuery",
    "SerializationError",
    "Table",
    "TableExistsError",
    "TableNotFoundError",
    "TableSize",
    "Text",
    "Transaction",
    "TransactionAbortedError",
    "TransactionError",
    "TransformPlan",
    "UTCDateTime",
    "Unique",
    "UniqueViolationError",
    "UnsupportedTypeError",
    "UpdatedAt",
    "ValidationError",
    "View",
    "create_mod",
    "create_mod_from_database",
    "create_mod_from_tables",
    "dataclass_src",
    "now",
    "uuid4",
    "uuid7",
]

_PLACES = {
    "Column": "deebase._tables.described_columns",
    "Database": "deebase.database",
    "DatabaseSize": "deebase._schema.database_size",
    "Hit": "deebase._tables.search",
    "Page": "deebase._tables.page",
    "Query": "deebase._tables.query",
    "Rows": "deebase._pictures.notebook",
    "SchemaEditor": "deebase._tables.schema_editor",
    "SearchQuery": "deebase._tables.search",
    "TableSize": "deebase._schema.database_size",
    "Table": "deebase._tables.table",
    "ImportReport": "deebase._files.reports",
    "ImportedColumn": "deebase._files.reports",
    "TransformPlan": "deebase._tables.schema_editor",
    "View": "deebase._tables.view",
    "Transaction": "deebase._engine.transaction",
    **dict.fromkeys(
        ("create_mod", "create_mod_from_database", "create_mod_from_tables", "dataclass_src"), "deebase.tools.codegen"
    ),
    **dict.fromkeys(
        (
            "Check",
            "Computed",
            "Default",
            "Digits",
            "Indexed",
            "PrimaryKey",
            "References",
            "Unique",
            "UpdatedAt",
            "now",
            "uuid4",
            "uuid7",
        ),
        "deebase.fields",
    ),
    **dict.fromkeys(
        (
            "UNSET",
            "ColumnName",
            "ForeignKey",
            "Index",
            "MaxLength",
            "Native",
            "SchemaSQL",
            "Search",
            "Text",
            "UTCDateTime",
        ),
        "deebase.types",
    ),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("deebase")
    if name not in __all__:
        raise AttributeError(f"module 'deebase' has no attribute {name!r}")
    value = getattr(import_module(_PLACES.get(name, "deebase.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
