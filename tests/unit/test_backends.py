"""What the errors of the drivers become: the class from the code, the message from names, never a value."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sa_sqlite

from deebase._backends import BACKENDS
from deebase.errors import (
    BusyError,
    CheckViolationError,
    ConfigurationError,
    ConnectionError,
    DatabaseError,
    DataError,
    DeadlockError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    NotNullViolationError,
    QueryError,
    QueryTimeoutError,
    SerializationError,
    TransactionAbortedError,
    UniqueViolationError,
    ValidationError,
)

#: A stored value; no message may hold it.
SECRET = "canaryvalue"

SCHEMA = """
CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, age INT, CONSTRAINT adult CHECK (age > 17));
CREATE TABLE seat (line INT, number INT, PRIMARY KEY (line, number)) WITHOUT ROWID;
CREATE TABLE label (text TEXT);
CREATE UNIQUE INDEX label_lower ON label (lower(text));
CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INT REFERENCES person (id));
CREATE TABLE exact (n INT) STRICT;
CREATE TRIGGER no_cats BEFORE INSERT ON pet WHEN new.id = 9 BEGIN SELECT raise(ABORT, 'canaryvalue'); END;
INSERT INTO person VALUES (1, 'a@x', 30);
INSERT INTO seat VALUES (1, 2);
INSERT INTO label VALUES ('one');
PRAGMA foreign_keys = ON;
"""


def no_constraint(_name: str | None) -> None:
    return None


_SQLITE, _POSTGRES = BACKENDS
sqlite_backend = _SQLITE.translator(no_constraint)
postgres_backend = _POSTGRES.translator(lambda name: ("person", ("email",)) if name == "person_email_key" else None)


@pytest.fixture
def raw() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def failure(call: Callable[..., Any], *args: Any) -> BaseException:
    """Return what a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(*args)
    return caught.value


def translated(error: BaseException, backend: Any = sqlite_backend, statement: str | None = None) -> DeeBaseError:
    """Return our error, after a look that it holds no value."""
    found: DeeBaseError | None = backend.translate(error, statement)
    assert found is not None
    assert SECRET not in str(found)
    return found


def of_sqlite(raw: sqlite3.Connection, sql: str, *values: Any) -> DeeBaseError:
    """Return our error for a statement that SQLite refuses."""
    return translated(failure(lambda: raw.execute(sql, values).fetchall()), statement=sql)


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "kind", "constraint", "table", "columns"),
    [
        ("INSERT INTO person VALUES (2, 'a@x', 30)", UniqueViolationError, "unique", "person", ("email",)),
        ("INSERT INTO person VALUES (1, 'b@x', 30)", UniqueViolationError, "primary_key", "person", ("id",)),
        ("INSERT INTO seat VALUES (1, 2)", UniqueViolationError, "primary_key", "seat", ("line", "number")),
        ("INSERT INTO person VALUES (2, NULL, 30)", NotNullViolationError, "not_null", "person", ("email",)),
        ("INSERT INTO person VALUES (2, 'b@x', 3)", CheckViolationError, "check", None, ()),
        ("INSERT INTO pet VALUES (1, 7)", ForeignKeyViolationError, "foreign_key", None, ()),
        ("INSERT INTO label VALUES ('ONE')", UniqueViolationError, "unique", None, ()),
    ],
)
def test_a_violation_of_sqlite_names_what_it_can(
    raw: sqlite3.Connection,
    sql: str,
    kind: type[IntegrityError],
    constraint: str,
    table: str | None,
    columns: tuple[str, ...],
) -> None:
    error = of_sqlite(raw, sql)
    assert type(error) is kind
    assert isinstance(error, IntegrityError)
    assert (error.constraint, error.table_name, error.columns) == (constraint, table, columns)
    assert error.hint


def test_sqlite_gives_the_names_of_checks_and_expression_indexes(raw: sqlite3.Connection) -> None:
    check = of_sqlite(raw, "INSERT INTO person VALUES (2, 'b@x', 3)")
    index = of_sqlite(raw, "INSERT INTO label VALUES ('ONE')")
    assert isinstance(check, IntegrityError)
    assert isinstance(index, IntegrityError)
    assert (check.constraint_name, index.constraint_name) == ("adult", "label_lower")


def test_the_text_of_a_trigger_is_not_shown(raw: sqlite3.Connection) -> None:
    error = of_sqlite(raw, "INSERT INTO pet VALUES (9, NULL)")
    assert type(error) is IntegrityError
    assert "trigger" in str(error)


@pytest.mark.parametrize(
    ("sql", "values", "kind", "text"),
    [
        ("SELEC 1", (), QueryError, 'near "SELEC": syntax error'),
        ("SELECT * FROM nowhere", (), QueryError, "no such table: nowhere"),
        ("SELECT absent FROM person", (), QueryError, "no such column: absent"),
        ("SELECT ?", (1, 2), QueryError, "number of bindings"),
        ("SELECT ?", (object(),), DataError, "a type that SQLite cannot store"),
        ("SELECT ?", (2**64,), ValidationError, "64 bits"),
        ("SELECT ?", (SECRET + "\udc80",), ValidationError, "not valid text"),
        ("INSERT INTO exact VALUES (?)", (SECRET,), DataError, "exact.n"),
        ("INSERT INTO person VALUES (?, 'b@x', 30)", (SECRET,), DataError, "type"),
        ("SELECT json_extract('{}', ?)", (SECRET,), QueryError, "JSON path"),
        ("SELECT json(?)", (SECRET,), DataError, "JSON"),
        ("SELECT zeroblob(3000000000)", (), DataError, "too large"),
    ],
)
def test_errors_of_sqlite_are_reported_without_values(
    raw: sqlite3.Connection, sql: str, values: tuple[Any, ...], kind: type[DeeBaseError], text: str
) -> None:
    error = of_sqlite(raw, sql, *values)
    assert type(error) is kind
    assert text in str(error)


def test_text_that_is_not_utf_8_is_not_quoted(raw: sqlite3.Connection) -> None:
    error = of_sqlite(raw, f"SELECT CAST(x'{SECRET.encode().hex()}ff' AS TEXT) AS note")
    assert type(error) is DataError
    assert "column note" in str(error)


def test_a_malformed_full_text_query_is_not_quoted() -> None:
    for text in (f'fts5: syntax error near "{SECRET}"', f"malformed MATCH expression: [{SECRET}]"):
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = sqlite3.SQLITE_ERROR
        assert "full-text" in str(translated(error))


def test_a_statement_on_a_table_that_is_being_read_finds_it_busy(raw: sqlite3.Connection) -> None:
    raw.execute("INSERT INTO label VALUES ('two')")
    cursor = raw.execute("SELECT text FROM label")
    cursor.fetchone()
    error = of_sqlite(raw, "DROP TABLE label")
    cursor.close()
    assert type(error) is BusyError
    assert error.retryable


def test_a_write_to_what_is_read_only(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA query_only = ON")
    assert type(of_sqlite(raw, "INSERT INTO seat VALUES (3, 3)")) is InvalidOperationError


def test_a_database_error_carries_code_and_statement(raw: sqlite3.Connection) -> None:
    error = of_sqlite(raw, "SELECT absent FROM person")
    assert isinstance(error, DatabaseError)
    assert (error.sqlstate, error.statement) == ("1", "SELECT absent FROM person")


def test_a_closed_connection_is_a_connection_error(raw: sqlite3.Connection) -> None:
    raw.close()
    for error in (
        failure(raw.execute, "SELECT 1"),
        ValueError("no active connection"),
        ValueError("Connection closed"),
    ):
        assert type(translated(error)) is ConnectionError


# -- PostgreSQL ------------------------------------------------------------------------------------


def server_error(state: str, message: str = SECRET, **fields: str) -> BaseException:
    """Return what asyncpg makes of the fields of an error of the server (protocol-error-fields in its manual)."""
    names = {"position": "P", "context": "W", "table": "t", "column": "c", "constraint": "n"}
    error: BaseException = asyncpg.exceptions.PostgresError.new(
        {
            "S": "ERROR",
            "V": "ERROR",
            "C": state,
            "M": message,
            "D": f"Failing row contains ({SECRET}).",
            **{names[name]: value for name, value in fields.items()},
        }
    )
    return error


def of_server(state: str, message: str = SECRET, statement: str | None = None, **fields: str) -> DeeBaseError:
    return translated(server_error(state, message, **fields), postgres_backend, statement)


@pytest.mark.parametrize(
    ("state", "fields", "kind", "constraint", "columns"),
    [
        ("23505", {"table": "person", "constraint": "person_email_key"}, UniqueViolationError, "unique", ("email",)),
        ("23505", {"table": "person", "constraint": "unknown"}, UniqueViolationError, "unique", ()),
        ("23503", {"table": "person", "constraint": "fk"}, ForeignKeyViolationError, "foreign_key", ()),
        ("23502", {"table": "person", "column": "email"}, NotNullViolationError, "not_null", ("email",)),
        ("23514", {"table": "person", "constraint": "adult"}, CheckViolationError, "check", ()),
        ("23P01", {"table": "person", "constraint": "no_overlap"}, IntegrityError, "exclusion", ()),
    ],
)
def test_a_violation_of_postgres_names_what_it_can(
    state: str, fields: dict[str, str], kind: type[IntegrityError], constraint: str, columns: tuple[str, ...]
) -> None:
    error = of_server(state, **fields)
    assert type(error) is kind
    assert isinstance(error, IntegrityError)
    assert (error.constraint, error.table_name, error.columns) == (constraint, "person", columns)
    assert error.constraint_name == fields.get("constraint")
    assert "person" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        ("22P02", DataError, "not valid input for the type"),
        ("22001", DataError, "too long"),
        ("22012", DataError, "division by zero"),
        ("22023", DataError, "a value is not valid"),
        ("25006", InvalidOperationError, "read-only"),
        ("25P02", TransactionAbortedError, "earlier error"),
        ("40001", SerializationError, "another transaction"),
        ("40P01", DeadlockError, "waited for each other"),
        ("53100", DatabaseError, "disk"),
        ("53300", ConnectionError, "no free connection"),
        ("55P03", BusyError, "lock"),
        ("57014", QueryTimeoutError, "longer than its limit"),
        ("57P01", ConnectionError, "ended the connection"),
        ("P0001", DatabaseError, "function or trigger"),
        ("XX000", DatabaseError, "internal error"),
        ("ZZ999", DatabaseError, "ZZ999"),
    ],
)
def test_the_text_of_the_server_is_replaced_if_it_may_quote_values(
    state: str, kind: type[DeeBaseError], text: str
) -> None:
    error = of_server(state)
    assert type(error) is kind
    assert text in str(error)


def test_the_server_is_quoted_on_what_stands_in_the_statement() -> None:
    error = of_server("42P01", 'relation "nowhere" does not exist', "SELECT * FROM nowhere", position="15")
    assert 'relation "nowhere" does not exist' in str(error)
    assert isinstance(error, QueryError)
    assert (error.sqlstate, error.statement) == ("42P01", "SELECT * FROM nowhere")


def test_the_server_is_quoted_on_commands_that_take_no_values() -> None:
    said = "cannot drop table person because other objects depend on it"
    assert said in str(of_server("2BP01", said, "DROP TABLE person"))
    assert 'database "x" does not exist' in str(of_server("3D000", 'database "x" does not exist'))


def test_the_server_is_not_quoted_on_what_it_found_in_a_value_or_a_function() -> None:
    assert type(of_server("42P01", statement="SELECT CAST($1 AS regclass)")) is QueryError
    assert (
        type(of_server("42601", statement="SELECT to_regtype($1)", position="11", context="invalid name")) is QueryError
    )
    assert type(of_server("42P01", statement=None)) is QueryError


async def test_a_real_server_never_gets_a_value_into_a_message(postgres_url: str) -> None:
    selected = [
        "$1::text::int",
        "$1::text::json",
        "$1::text::regclass",
        "$1::text::regtype",
        "$1::text::tsquery",
        "$1::text::jsonpath",
        "nextval($1::text)",
        "set_config($1, 'x', false)",
        "has_table_privilege($1, 'SELECT')",
        "has_column_privilege('pg_class', $1, 'SELECT')",
        "now() AT TIME ZONE $1",
        "'a' ~ $1",
        "date_part($1, now())",
        "query_to_xml($1, true, false, '')",
    ]
    connection = await asyncpg.connect(postgres_url)
    try:
        for expression in selected:
            sql = f"SELECT {expression}"
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.fetch(sql, f"{SECRET} (")
            translated(caught.value, postgres_backend, sql)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.fetch("SELECT $1::int", SECRET)
        error = translated(caught.value, postgres_backend)
        assert type(error) is DataError
        assert "$1" in str(error)
        for sql, shown in {
            "SELEC 1": "SELEC",
            "SELECT 1 FROM nowhere": "nowhere",
            "DROP TABLE nowhere": "nowhere",
        }.items():
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.fetch(sql)
            assert shown in str(translated(caught.value, postgres_backend, sql))
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.exceptions.DataError(f"invalid input for query argument $2: '{SECRET}' (expected int)"), DataError),
        (asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"), QueryError),
        (asyncpg.InterfaceError("connection is closed"), ConnectionError),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), ConnectionError),
        (asyncpg.InternalClientError(SECRET), ConnectionError),
        (asyncpg.exceptions.ClientConfigurationError("the root certificate is missing"), ConfigurationError),
    ],
)
def test_what_asyncpg_finds_by_itself(error: BaseException, kind: type[DeeBaseError]) -> None:
    assert type(translated(error, postgres_backend)) is kind


# -- both ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [sqlite_backend, postgres_backend])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), QueryTimeoutError),
        (TimeoutError(110, "Connection timed out"), ConnectionError),
        (ConnectionRefusedError(111, "Connect call failed"), ConnectionError),
        (OSError("Multiple exceptions: one, another"), ConnectionError),
        (OverflowError("too large"), ValidationError),
    ],
)
def test_failures_of_the_network_and_of_python(backend: Any, error: BaseException, kind: type[DeeBaseError]) -> None:
    assert type(translated(error, backend)) is kind


def test_the_reasons_of_several_addresses_are_reported() -> None:
    assert "one, another" in str(translated(OSError("Multiple exceptions: one, another"), postgres_backend))


@pytest.mark.parametrize("backend", [sqlite_backend, postgres_backend])
@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        KeyError("x"),
        ValueError("'connection' is not a valid Status"),
        RuntimeError("closed"),
    ],
)
def test_what_is_not_of_the_database_is_left_alone(backend: Any, error: BaseException) -> None:
    assert backend.translate(error, None) is None


@pytest.mark.parametrize("backend", [sqlite_backend, postgres_backend])
def test_an_error_of_ours_stays_itself(backend: Any) -> None:
    error = ValidationError("wrong")
    assert backend.translate(error, None) is error


def test_the_error_inside_of_sqlalchemys_is_what_counts(raw: sqlite3.Connection) -> None:
    inner = failure(raw.execute, "INSERT INTO seat VALUES (1, 2)")
    outer = sa.exc.IntegrityError("INSERT INTO seat VALUES (?, ?)", (SECRET,), inner)
    assert type(translated(outer)) is UniqueViolationError


def test_sqlalchemys_statement_is_kept_where_the_caller_gives_none() -> None:
    outer = sa.exc.ProgrammingError("SELECT $1", (SECRET,), server_error("22012"))
    error = translated(outer, postgres_backend)
    assert isinstance(error, DataError)
    assert error.statement == "SELECT $1"


def test_a_value_sqlalchemy_cannot_convert_is_not_quoted() -> None:
    outer = sa.exc.StatementError("(builtins.TypeError)", "INSERT", {"at": SECRET}, TypeError(SECRET))
    assert type(translated(outer)) is DataError


def test_a_statement_sqlalchemy_cannot_compile_names_the_reason() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer))
    error = failure(lambda: sa.insert(table).values(nothing=SECRET).compile())
    assert type(translated(error)) is QueryError
    assert "nothing" in str(translated(error))
    literal = failure(
        lambda: sa.select(sa.literal(SECRET, sa.DateTime)).compile(
            dialect=sa_sqlite.dialect(), compile_kwargs={"literal_binds": True}
        )
    )
    assert type(translated(literal)) is QueryError


def test_an_exhausted_pool_of_sqlalchemy_is_busy() -> None:
    assert type(translated(sa.exc.TimeoutError("QueuePool limit"), postgres_backend)) is BusyError
