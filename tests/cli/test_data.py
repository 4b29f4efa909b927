"""`deebase data`, on both databases."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Commands

VALUES = {
    "int": ("-5", -5),
    "str": ("007", "007"),
    "text": ("a\nb", "a\nb"),
    "bool": ("false", False),
    "float": ("2", 2.0),
    "bytes": ("AAH/", "AAH/"),
    "datetime": ("2026-01-31 12:30", "2026-01-31T12:30:00"),
    "utcdatetime": ("2026-01-31T12:30:00+02:00", "2026-01-31T10:30:00+00:00"),
    "date": ("2026-01-31", "2026-01-31"),
    "time": ("12:30", "12:30:00"),
    "timedelta": ("90.5", 90.5),
    "decimal": ("10.50", "10.50"),
    "uuid": ("{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-426614174000"),
    "json": ('{"a": [1, null]}', {"a": [1, None]}),
}


@pytest.fixture
def all_types(cli: Commands) -> Commands:
    cli.ok("table", "create", "all", *[f"{name}_:{name}:nullable" for name in VALUES])
    return cli


def test_a_text_becomes_what_its_column_takes(all_types: Commands) -> None:
    given = [part for name, (text, _) in VALUES.items() for part in ("-f", f"{name}_={text}")]
    row = all_types.ok("data", "insert", "all", *given)
    assert row == {"id": 1, **{f"{name}_": value for name, (_, value) in VALUES.items()}}
    # What is given out can be given back.
    del row["id"]
    assert all_types.ok("data", "insert", "all", stdin=json.dumps(row)) == ""
    again = all_types.ok("data", "get", "all", "2")
    assert again == {"id": 2, **row}
    nothing = all_types.ok("data", "insert", "all", *[f"--null={name}_" for name in VALUES])
    assert set(nothing.values()) == {3, None}


WRONG = {
    "int": "1.5",
    "bool": "maybe",
    "float": "x",
    "bytes": "?",
    "datetime": "soon",
    "utcdatetime": "2026-01-31",
    "date": "31.1.2026",
    "time": "noon",
    "timedelta": "long",
    "decimal": "ten",
    "uuid": "1",
    "json": "{",
}


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_text_that_is_no_value_of_its_column_is_an_error_that_names_it(all_types: Commands) -> None:
    for name, text in WRONG.items():
        message = all_types.fails("data", "insert", "all", "-f", f"{name}_={text}")
        assert f"{name}_" in message
        assert text not in message.partition("(")[0] or len(text) < 2
    assert all_types.ok("data", "list", "all") == []


def test_keys_are_values_of_their_columns_too(cli: Commands) -> None:
    cli.ok("table", "create", "thing", "key:uuid", "name:str", "--pk", "key")
    key = str(uuid.uuid4())
    cli.ok("data", "insert", "thing", "-f", f"key={key}", "-f", "name=x")
    assert cli.ok("data", "get", "thing", key) == {"key": key, "name": "x"}
    assert cli.ok("data", "update", "thing", key, "-f", "name=y")["name"] == "y"
    cli.ok("data", "delete", "thing", key, "--yes")
    assert "thing.key" in cli.fails("data", "get", "thing", "nonsense")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "D", "email": "d@x"}',
        '[{"name": "D", "email": "d@x"}]',
        '\n{"name": "D", "email": "d@x"}\n\n{"name": "E", "email": "e@x", "age": 1}\n',
        '{\n  "name": "D",\n  "email": "d@x"\n}\n',
        '[\n  {"name": "D", "email": "d@x"},\n  {"name": "E", "email": "e@x"}\n]\n',
    ],
)
@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_rows_come_as_an_object_an_array_or_lines(users: Commands, text: str) -> None:
    users.ok("data", "insert", "user", stdin=text)
    assert users.ok("data", "list", "user", "--where", "email = 'd@x'") == [
        {"id": 4, "name": "D", "email": "d@x", "age": None}
    ]


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '{"name": ', '{"name": NaN}', '{"name": "D"}\nnonsense\n'])
@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_what_is_no_json_is_refused_and_nothing_stored(users: Commands, text: str) -> None:
    assert users.fails("data", "insert", "user", stdin=text)
    assert users.ok("table", "show", "user")["rows"] == 3


def test_many_rows_are_stored_all_or_none(users: Commands) -> None:
    lines = "\n".join(json.dumps({"name": str(n), "email": f"{n % 999}@y"}) for n in range(1000))
    assert "row" in users.fails("data", "insert", "user", stdin=lines)
    assert users.ok("table", "show", "user")["rows"] == 3
    assert users.ok("data", "upsert", "user", "--on", "email", "--json", stdin=lines) == {"upserted": 1000}
    assert users.ok("table", "show", "user")["rows"] == 3 + 999


def test_rows_are_listed_in_order_by_condition_and_in_part(users: Commands) -> None:
    def names(*options: str) -> list[str]:
        return [row["name"] for row in users.ok("data", "list", "user", *options)]

    assert names("--order-by=-name") == ["Cy", "Bob", "Ada"]
    assert names("--order-by=name", "--limit=1", "--offset=1") == ["Bob"]
    assert names("--where", "age > :age", "-p", "age=30") == ["Ada"]
    assert names("--where", "name = :name", "-p", "name=Bob") == ["Bob"]
    assert users.ok("data", "list", "user", "-c", "age", "--where", "id = 1") == [{"age": 36}]
    assert "nme" in users.fails("data", "list", "user", "--order-by", "nme")
    assert "--where" in users.fails("data", "list", "user", "-p", "a=1", code=2)


def test_rows_are_updated_by_key_condition_or_all(users: Commands) -> None:
    assert users.ok("data", "update", "user", "2", "-f", "age=5", "-f", "name=Rob") == {
        "id": 2,
        "name": "Rob",
        "email": "b@x",
        "age": 5,
    }
    assert users.ok("data", "update", "user", "--where", "age < :a", "-p", "a=40", "-f", "age=6", "--json") == {
        "updated": 2
    }
    assert users.ok("data", "update", "user", "--all", "--null", "age", "--json", "--yes") == {"updated": 3}
    assert users.ok("data", "update", "user", "--json", stdin='[{"id": 1, "age": 9}]') == {"updated": 1}
    assert users.fails("data", "update", "user", "-f", "age=1", code=2)
    assert users.fails("data", "update", "user", "1", "--all", "-f", "age=1", code=2)
    assert users.fails("data", "update", "user", "1", code=2)
    assert "no row" in users.fails("data", "update", "user", "99", "-f", "age=1")


def test_rows_are_upserted(users: Commands) -> None:
    row = users.ok("data", "upsert", "user", "--on", "email", "-f", "email=a@x", "-f", "name=Adele")
    assert (row["id"], row["name"], row["age"]) == (1, "Adele", 36)
    assert users.ok("data", "upsert", "user", "-f", "id=50", "-f", "email=z@x", "-f", "name=Zoe")["id"] == 50


def test_rows_are_deleted_by_key_condition_or_all(users: Commands) -> None:
    users.ok("data", "delete", "user", "1", "--yes")
    assert "no row" in users.fails("data", "delete", "user", "1", "--yes")
    assert users.ok("data", "delete", "user", "--where", "name = :n", "-p", "n=Bob", "--yes", "--json") == {
        "deleted": 1
    }
    assert users.fails("data", "delete", "user", "--yes", code=2)
    assert users.ok("data", "delete", "user", "--all", "--yes", "--json") == {"deleted": 1}


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_view_is_read_and_not_written(users: Commands) -> None:
    users.ok("view", "create", "adult", "--sql", 'SELECT id, name FROM "user" WHERE age > 30')
    assert users.ok("data", "list", "adult") == [{"id": 1, "name": "Ada"}]
    assert users.ok("data", "get", "adult", "1") == {"id": 1, "name": "Ada"}
    assert users.fails("data", "insert", "adult", "-f", "name=x") == (
        "table 'adult' does not exist (it is a view: deebase view ...)"
    )


FORMATS = {
    "ndjson": '{"a": "x|y", "b": null, "c": ""}\n{"a": "<i>\\n\\"q\\"", "b": 1.5, "c": " t"}\n',
    "json": '[\n  {"a": "x|y", "b": null, "c": ""},\n  {"a": "<i>\\n\\"q\\"", "b": 1.5, "c": " t"}\n]\n',
    "csv": 'a,b,c\nx|y,,""\n"<i>\n""q""",1.5," t"\n',
    "tsv": 'a\tb\tc\nx|y\t\t""\n"<i>\n""q"""\t1.5\t" t"\n',
    "md": '| a | b | c |\n| --- | --- | --- |\n| x\\|y |  |  |\n| &lt;i><br>"q" | 1.5 |  t |\n',
}
ROWS = "SELECT 'x|y' AS a, NULL AS b, '' AS c UNION ALL SELECT :a, 1.5, ' t'"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_format_is_what_it_is_everywhere(cli: Commands, form: str) -> None:
    assert cli.run("sql", ROWS, "-p", 'a=<i>\n"q"', "-o", form).stdout == FORMATS[form]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_no_rows_have_a_header_where_their_columns_are_known(users: Commands) -> None:
    for form, shown in {"csv": "id,author_id,title,body\n", "json": "[]\n", "ndjson": ""}.items():
        assert users.run("data", "list", "post", "-o", form).stdout == shown


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_on_a_terminal_rows_are_a_table(users: Commands) -> None:
    users.ok("data", "update", "user", "1", "-f", "name=\x1b[31m[red]")
    code, shown = users.on_terminal("data", "list", "user", "--order-by", "id")
    assert code == 0
    lines = [line.split() for line in shown.splitlines() if line.strip()]
    assert lines[0] == ["id", "name", "email", "age"]
    assert lines[2] == ["1", "\\x1b[31m[red]", "a@x", "36"]
    assert lines[3] == ["2", "Bob", "b@x", "NULL"]
    shown = users.ok("table", "show", "user", "-o", "table")
    assert "columns:" in shown
    assert "{" not in shown


def test_files_are_read_and_written(users: Commands, directory: Path) -> None:
    (directory / "city.csv").write_text("name,people\nBonn,330000\nUlm,128000\n")
    shown = users.ok("data", "import", "city.csv", "--pk", "name", "--dry-run")
    assert shown.startswith("CREATE TABLE city")
    assert "city" not in [row["name"] for row in users.ok("table", "list")]
    users.ok("data", "import", "city.csv", "--pk", "name")
    assert users.ok("data", "get", "city", "Ulm") == {"name": "Ulm", "people": 128000}
    (directory / "city.csv").write_text("name,people\nUlm,129000\n")
    assert users.fails("data", "import", "city.csv")
    users.ok("data", "import", "city.csv", "--upsert")
    assert users.ok("data", "get", "city", "Ulm") == {"name": "Ulm", "people": 129000}
    users.ok("data", "export", "city", "out.ndjson")
    rows: list[Any] = [json.loads(line) for line in (directory / "out.ndjson").read_text().splitlines()]
    assert {"name": "Ulm", "people": 129000} in rows
    assert "--overwrite" in users.fails("data", "export", "city", "out.ndjson")
    assert users.run("data", "export", "city", "--format", "tsv").stdout.splitlines()[0] == "name\tpeople"
    assert users.fails("data", "import", "-", code=2)
    users.ok("data", "import", "-", "--table", "plz", "--type", "code=str", "--delimiter", ";", stdin="code;n\n1;2\n")
    assert users.ok("data", "list", "plz") == [{"id": 1, "code": "1", "n": 2}]
    assert "gone.csv" in users.fails("data", "import", "gone.csv")


def test_an_import_says_what_it_found_and_why(cli: Commands, directory: Path) -> None:
    (directory / "zip.csv").write_text("code;n;day\n007;1,5;31.12.2024\n")
    options = ("--decimal", ",", "--date-format", "%d.%m.%Y", "--types", "n=decimal,code=str")
    said = cli.run("data", "import", "zip.csv", *options, "--dry-run").stderr
    assert "zip (created): 1 row from zip.csv" in said
    assert "day   date            each value is a date" in said
    assert cli.ok("table", "list") == []
    cli.ok("data", "import", "zip.csv", *options)
    assert cli.ok("data", "list", "zip") == [{"id": 1, "code": "007", "n": "1.5", "day": "2024-12-31"}]


def test_files_of_a_pattern_are_one_table(cli: Commands, directory: Path) -> None:
    (directory / "day-1.csv").write_text("n\n1\n")
    (directory / "day-2.csv").write_text("n\n1.5\n2,3\n")
    assert "day-2.csv, line 3" in cli.fails("data", "import", "day-*.csv", "--table", "day")
    assert cli.ok("table", "list") == []
    (directory / "day-2.csv").write_text("n,m\n1.5,x\n")
    cli.ok("data", "import", "day-*.csv", "--table", "day")
    rows = [{"id": 1, "n": 1.0, "m": None}, {"id": 2, "n": 1.5, "m": "x"}]
    assert cli.ok("data", "list", "day") == rows
    # The second file has a column that the table of the first one lacks.
    assert "no column 'm'" in cli.run("data", "import", "day-*.csv", "--table", "each", "--separately").stderr
    assert [row["n"] for row in cli.ok("data", "list", "each")] == [1]


def test_other_forms_of_rows(cli: Commands, directory: Path) -> None:
    (directory / "quakes.geojson").write_text('{"features": [{"properties": {"mag": 1.5}}]}')
    cli.ok("data", "import", "quakes.geojson", "--rows", "features", "--flatten")
    assert cli.ok("data", "list", "quakes") == [{"id": 1, "properties_mag": 1.5}]
    for name in ("out.xlsx", "out.parquet"):
        cli.ok("data", "export", "quakes", name)
        cli.ok("data", "import", name, "--table", name, *(("--sheet", "1") if "xlsx" in name else ()))
        assert cli.ok("data", "list", name) == [{"id": 1, "properties_mag": 1.5}]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_on_a_terminal_an_import_shows_how_far_it_is(cli: Commands, directory: Path) -> None:
    (directory / "[city].csv").write_text("name,people\nBonn,330000\n")
    code, shown = cli.on_terminal("data", "import", "[city].csv", "--table", "city")
    assert code == 0, shown
    assert "[city].csv" in shown
    assert "Imported [city].csv into city, which has 1 row now." in shown


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_an_interrupted_import_leaves_nothing(cli: Commands, directory: Path) -> None:
    with (directory / "big.csv").open("w") as file:
        file.write("name,people\n")
        file.writelines(f"a name of some length {n},{n}\n" for n in range(600_000))
    process = cli.process("data", "import", "big.csv")
    try:
        cli.wait_for_writing()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said) == (130, "Interrupted.\n")
    assert cli.ok("table", "list") == []


def test_an_import_adds_values_and_columns(users: Commands, directory: Path) -> None:
    (directory / "more.csv").write_text("title,zip\na,007\n")
    users.ok("data", "import", "more.csv", "--table", "post", "--extra", "author_id=1", "--extra", "title=a", "--alter")
    (row,) = users.ok("data", "list", "post")
    assert (row["author_id"], row["title"], row["zip"]) == (1, "a", "007")
    failed = users.fails(
        "data", "import", "more.csv", "--table", "post", "--extra", "author_id=1", "--extra", "title=b"
    )
    assert "more.csv, line 2: post.title: the file has another value" in failed
    assert "no column 'zipp'" in users.fails("data", "import", "more.csv", "--table", "post", "--extra", "zipp=1")


def test_an_export_of_selected_rows(users: Commands, directory: Path) -> None:
    assert users.ok("data", "export", "user", "--where", "name <> :n", "-p", "n=Bob").splitlines()[1:] == [
        "1,Ada,a@x,36",
        "3,Cy,c@x,",
    ]
    assert "--where" in users.fails("data", "export", "user", "-p", "n=1", code=2)
    users.ok("data", "export", "user", "some.json", "--where", "age IS NOT NULL")
    assert [row["name"] for row in json.loads((directory / "some.json").read_text())] == ["Ada"]


def test_an_import_says_which_table_the_name_of_the_file_gives(cli: Commands, directory: Path) -> None:
    (directory / "people.csv").write_text("name\nAda\n")
    said = "The name of people.csv gives the table: people; --table names another."
    assert said in cli.run("data", "import", "people.csv", "--dry-run").stderr.splitlines()
    assert said in cli.run("data", "import", "people.csv").stderr.splitlines()
    assert said not in cli.run("data", "import", "people.csv", "--table", "people").stderr
