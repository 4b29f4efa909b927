"""`deebase table` and `deebase index`, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import Commands
from tests.support.worlds import capabilities_at

TYPES = {
    "int": ("INTEGER", "bigint"),
    "str": ("VARCHAR", "character varying"),
    "text": ("TEXT", "text"),
    "bool": ("BOOLEAN", "boolean"),
    "float": ("REAL", "double precision"),
    "bytes": ("BLOB", "bytea"),
    "datetime": ("DATETIME", "timestamp without time zone"),
    "utcdatetime": ("DATETIME UTC TEXT", "timestamp with time zone"),
    "date": ("DATE", "date"),
    "time": ("TIME", "time without time zone"),
    "timedelta": ("DURATION REAL", "interval"),
    "decimal": ("DECIMAL TEXT", "numeric"),
    "uuid": ("UUID CHAR(32)", "uuid"),
    "json": ("JSON", "jsonb"),
}
DEFAULTS = {
    "int": "7",
    "str": "a:b'c",
    "text": "",
    "bool": "true",
    "float": "1.5",
    "datetime": "2026-01-31T12:30:00",
    "date": "2026-01-31",
    "time": "12:30:00",
    "decimal": "19.90",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "json": '{"a": [1]}',
}


def columns(commands: Commands, table: str) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in commands.ok("table", "show", table)["columns"]}


def test_a_field_has_each_type_of_the_api(cli: Commands, db_url: str) -> None:
    cli.ok("table", "create", "all", *[f"{name}_:{name}:nullable" for name in TYPES])
    found = columns(cli, "all")
    place = 0 if capabilities_at(db_url).is_one_file else 1
    assert {name.removesuffix("_"): found[name]["type"] for name in found if name != "id"} == {
        name: types[place] for name, types in TYPES.items()
    }
    assert all(found[f"{name}_"]["nullable"] for name in TYPES)


def test_a_default_is_a_value_of_its_type(cli: Commands) -> None:
    cli.ok("table", "create", "all", "note:str", *[f"{name}_:{name}:default={text}" for name, text in DEFAULTS.items()])
    row = cli.ok("data", "insert", "all", "-f", "note=x")
    assert row == {
        "id": 1,
        "note": "x",
        "int_": 7,
        "str_": "a:b'c",
        "text_": "",
        "bool_": True,
        "float_": 1.5,
        "datetime_": "2026-01-31T12:30:00",
        "date_": "2026-01-31",
        "time_": "12:30:00",
        "decimal_": "19.90",
        "uuid_": "123e4567-e89b-12d3-a456-426614174000",
        "json_": {"a": [1]},
    }


def test_modifiers_make_constraints(users: Commands) -> None:
    assert "email" in users.fails("data", "insert", "user", "-f", "name=x", "-f", "email=a@x")
    assert "CHECK" in users.fails("data", "insert", "user", "-f", "name=x", "-f", "email=n@x", "-f", "age=-1")
    assert "author_id" in users.fails("data", "insert", "post", "-f", "author_id=99", "-f", "title=x")
    assert users.ok("table", "show", "post")["foreign_keys"] == [{"column": "author_id", "references": "user.id"}]
    assert users.ok("table", "show", "user")["referenced_by"] == [
        {"table": "post", "column": "author_id", "references": "user.id"}
    ]


def test_a_decimal_has_no_more_digits_than_it_may(cli: Commands) -> None:
    cli.ok("table", "create", "item", "id:int", "a price:decimal(5,2):nullable")
    for text in ("999.99", "-999.99", "1.500", "0", "7"):
        assert cli.ok("data", "insert", "item", "-f", f"a price={text}")["a price"] == text
    cli.ok("data", "insert", "item", "--null", "a price")
    for text in ("1000", "-1000.00", "0.001", "999.995"):
        assert "CHECK" in cli.fails("data", "insert", "item", "-f", f"a price={text}")
    assert "check" in cli.fails("table", "add-column", "item", "other:decimal(5,2):nullable")


def test_a_composite_key_and_an_index_over_two_columns(cli: Commands) -> None:
    cli.ok(
        "table",
        "create",
        "line",
        "order:int",
        "number:int",
        "item:str",
        "--pk",
        "order,number",
        "--index",
        "item,number",
    )
    shown = cli.ok("table", "show", "line")
    assert shown["key"] == ["order", "number"]
    assert shown["indexes"] == [
        {"name": "ix_line_item_number", "columns": ["item", "number"], "unique": False, "where": None}
    ]
    cli.ok("data", "insert", "line", "-f", "order=1", "-f", "number=2", "-f", "item=x")
    assert cli.ok("data", "get", "line", "1", "2")["item"] == "x"
    assert "order, number" in cli.fails("data", "get", "line", "1")


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_table_that_exists_is_left_alone_when_that_is_said(users: Commands) -> None:
    message = users.fails("table", "create", "user", "id:int")
    assert message.startswith("table user already exists (--if-not-exists")
    result = users.run("table", "create", "user", "id:int", "more:str", "--if-not-exists")
    assert result.exit_code == 0
    assert "more" in result.stderr
    assert users.ok("table", "show", "user")["rows"] == 3


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("name", "name:type"),
        (":int", "name:type"),
        ("a:integer", "unknown type 'integer'"),
        ("a:int(5,2)", "unknown type 'int(5,2)'"),
        ("a:decimal(5)", "unknown type 'decimal(5)'"),
        ("a:decimal(2,5)", "number of digits"),
        ("a:int:uniqe", "unknown modifier 'uniqe'"),
        ("a:int:default=x", "the default of a is not a whole number"),
        ("a:bool:default=maybe", "the default of a is not true or false"),
        ("_a:int", "underscore"),
        ("id:int:fk=nothing", "nothing"),
        ("a:int:fk=", "fk"),
    ],
)
@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_wrong_field_is_named(cli: Commands, field: str, said: str) -> None:
    message = cli.fails("table", "create", "t", field)
    assert said in message or "foreign key" in message
    assert cli.ok("table", "list") == []


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_two_fields_of_one_name_are_refused(cli: Commands) -> None:
    assert "two fields 'a'" in cli.fails("table", "create", "t", "a:int", "a:str")


def test_columns_are_added_renamed_and_dropped(users: Commands) -> None:
    users.ok("table", "add-column", "user", "city:str:unique:nullable")
    users.ok("table", "add-column", "user", "visits:int:default=3")
    users.ok("table", "rename-column", "user", "name", "full_name")
    users.ok("table", "drop-column", "user", "age", "--yes")
    assert [*columns(users, "user")] == ["id", "full_name", "email", "city", "visits"]
    assert users.ok("data", "get", "user", "1") == {
        "id": 1,
        "full_name": "Ada",
        "email": "a@x",
        "city": None,
        "visits": 3,
    }
    users.ok("data", "update", "user", "1", "-f", "city=Bonn")
    assert "city" in users.fails("data", "update", "user", "2", "-f", "city=Bonn")
    assert "check" in users.fails("table", "add-column", "user", "x:int:default=1:check=x > 0")


def test_a_table_is_transformed(users: Commands) -> None:
    users.ok("table", "transform", "user", "--default", "age=5", "--null", "email", "--rename", "name=full_name")
    found = columns(users, "user")
    assert (found["email"]["nullable"], found["full_name"]["nullable"]) == (True, False)
    assert users.ok("data", "insert", "user", "-f", "full_name=D")["age"] == 5
    users.ok("table", "transform", "user", "--type", "age=float", "--no-default", "age")
    assert users.ok("data", "list", "user", "--order-by", "id")[0]["age"] == 36.0
    users.ok("table", "transform", "post", "--drop-fk", "author_id")
    assert users.ok("table", "show", "post")["foreign_keys"] == []
    users.ok("table", "transform", "post", "--add-fk", "author_id=user.id", "--pk", "title", "--not-null", "body")
    shown = users.ok("table", "show", "post")
    assert shown["foreign_keys"] == [{"column": "author_id", "references": "user.id"}]
    assert shown["key"] == ["title"]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_transform_of_nothing_or_of_what_is_not_there_says_so(users: Commands) -> None:
    assert users.fails("table", "transform", "user")
    assert "nme" in users.fails("table", "transform", "user", "--rename", "nme=x")
    assert "nme" in users.fails("table", "drop-column", "user", "nme", "--yes")
    assert "COLUMN" not in users.fails("table", "transform", "user", "--type", "age")
    assert "unknown type" in users.fails("table", "transform", "user", "--type", "age=number")


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_table_is_renamed_and_dropped(users: Commands) -> None:
    users.ok("table", "rename", "post", "article")
    users.ok("table", "drop", "article", "--yes")
    assert [row["name"] for row in users.ok("table", "list")] == ["user"]
    assert users.ok("table", "list", "--counts") == [{"name": "user", "columns": 4, "key": ["id"], "rows": 3}]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_table_that_others_refer_to_is_not_dropped(users: Commands) -> None:
    users.ok("data", "insert", "post", "-f", "author_id=1", "-f", "title=x")
    assert "post" in users.fails("table", "drop", "user", "--yes")


def test_the_schema_is_sql(users: Commands) -> None:
    schema = users.ok("table", "schema", "user")
    assert schema.startswith("CREATE TABLE")
    assert schema.endswith(");\n")


def test_indexes_are_made_listed_and_dropped(users: Commands) -> None:
    users.ok("index", "create", "user", "name,age", "--where", "age > 1")
    users.ok("index", "create", "user", "age", "--name", "by age", "--unique")
    listed = users.ok("index", "list", "user")
    assert "age > 1" in listed[1].pop("where")
    listed[1]["where"] = None
    assert listed == [
        {"table": "user", "name": "by age", "columns": ["age"], "unique": True, "where": None},
        {"table": "user", "name": "ix_user_name_age", "columns": ["name", "age"], "unique": False, "where": None},
        {"table": "user", "name": "ux_user_email", "columns": ["email"], "unique": True, "where": None},
    ]
    users.ok("index", "create", "user", "age", "--name", "by age", "--if-not-exists")
    users.ok("index", "drop", "by age", "--yes")
    assert "by age" in users.fails("index", "drop", "by age", "--yes")
    assert "by age" in users.fails("index", "drop", "by age", "--table", "user", "--yes")
    assert "nme" in users.fails("index", "create", "user", "nme")
    assert len(users.ok("index", "list")) == 4


HOSTILE = [
    "select",
    'x"; DROP TABLE canary; --',
    "it's 100%",
    ":x?",
    "line\nbreak \x1b[31m",
    "ünïcode 表",
    "[bold]red",
    "--a=b.c",
]


@pytest.mark.on_a_file
def test_hostile_names_are_only_names(cli: Commands) -> None:
    cli.ok("table", "create", "canary", "id:int")
    for number, name in enumerate(HOSTILE):
        escaped = name.replace(":", "\\:")
        cli.ok("table", "create", "--", name, "id:int", f"{escaped}:str:default=d")
        cli.ok("table", "add-column", "--", name, f"{escaped}2:int:nullable")
        cli.ok("index", "create", f"--name=ix{number}", "--", name, name)
        assert cli.ok("data", "insert", f"-f{name}=v", "--", name)[name] == "v"
        assert cli.ok("data", "list", f"--order-by={name}", f"-c{name}", "--", name) == [{name: "v"}]
        cli.ok("table", "rename-column", "--", name, f"{name}2", "other")
        shown = cli.ok("table", "show", "--", name)
        assert [column["name"] for column in shown["columns"]] == ["id", name, "other"]
        assert [index["columns"] for index in shown["indexes"]] == [[name]]
    listed = [row["name"] for row in cli.ok("table", "list")]
    assert sorted(listed) == sorted([*HOSTILE, "canary"])
    for form in ("table", "csv", "tsv", "md", "ndjson"):
        shown = cli.run("table", "list", "-o", form).output
        assert "bold]red" in shown
        assert form in ("csv", "tsv", "md") or "\x1b" not in shown
    cli.ok("codegen")
    for name in HOSTILE:
        cli.ok("table", "drop", "--yes", "--", name)
    assert [row["name"] for row in cli.ok("table", "list")] == ["canary"]


def test_columns_are_extracted(users: Commands) -> None:
    users.ok("table", "extract", "user", "age", "--into", "age", "--dry-run")
    users.ok("table", "extract", "user", "name", "--into", "person", "--fk", "person_id")
    assert [row["name"] for row in users.ok("data", "list", "person", "--order-by", "id")] == ["Ada", "Bob", "Cy"]
    assert "has a column 'email'" in users.fails("table", "extract", "user", "age", "--into", "ages", "--fk", "email")


def test_conditions_of_indexes_and_triggers_are_shown(users: Commands, backend_name: str) -> None:
    users.ok("index", "create", "user", "age", "--name", "old", "--where", "age > 60 AND name <> ' WHERE '")
    users.ok("sql", "--write", 'CREATE INDEX short ON "user" ((lower(name))) WHERE (age) IS NULL')
    body = {
        "sqlite-file": "BEGIN SELECT 1; END",
        "postgres": "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    }[backend_name]
    users.ok("sql", "--write", f'CREATE TRIGGER same BEFORE UPDATE ON "user" {body}')
    shown = users.ok("table", "show", "user")
    wheres = {index["name"]: index["where"] for index in shown["indexes"]}
    assert wheres["ux_user_email"] is None
    assert "age > 60" in wheres["old"]
    assert "' WHERE '" in wheres["old"]
    assert "age" in wheres["short"]
    assert "lower" not in wheres["short"]
    assert [trigger["name"] for trigger in shown["triggers"]] == ["same"]
    assert "BEFORE UPDATE" in shown["triggers"][0]["sql"]
    listed = users.ok("index", "list", "user")
    assert {index["name"]: index["where"] for index in listed} == wheres
