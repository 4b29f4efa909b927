"""Calls that people bring along from other libraries: each error has our class, the name, and what to write."""

from __future__ import annotations

import io
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    ColumnNotFoundError,
    Database,
    DeeBaseError,
    ForeignKey,
    Index,
    NotFoundError,
    QueryError,
    Table,
    UniqueViolationError,
    ValidationError,
)
from deebase.testing import temporary_database
from tests.support.worlds import case


class User:
    id: int
    name: str
    email: str | None
    age: int = 0


class Doc:
    id: int
    author_id: ForeignKey[int, "user"]
    code: str


@pytest.fixture
async def users(db: Database) -> Table[Any]:
    part = Index("ux_email", "email", unique=True, where="age > 1")
    table, _ = await db.create_all(User, Doc, options={User: {"indexes": [part]}})
    await table.insert_all([{"name": "a", "email": "e1", "age": 5}, {"name": "b", "email": "e2", "age": 6}])
    return table


Call = Callable[[Any], Any]
#: Not `ForeignKey("user")`, which a checker would read as the same.
KEY_OF_USER: Any = ForeignKey[int, "user"]

#: The call, the class of the error, and what its text must hold.
CALLS: dict[str, tuple[Call, type[DeeBaseError], list[str]]] = {
    "add_column with an annotation as fk": (
        lambda t: t.add_column("boss", int | None, fk=KEY_OF_USER),
        ValidationError,
        ["'boss'", "ForeignKey('user')"],
    ),
    "add_column with a number as fk": (lambda t: t.add_column("boss", int | None, fk=5), ValidationError, ["int"]),
    "add_foreign_keys with an annotation": (
        lambda t: t.transform(add_foreign_keys={"age": KEY_OF_USER}),
        ValidationError,
        ["'age'", "ForeignKey('user')"],
    ),
    "add_foreign_keys of a list": (lambda t: t.transform(add_foreign_keys=["age"]), ValidationError, ["user", "dict"]),
    "rename of a list": (lambda t: t.transform(rename=["age"]), ValidationError, ["user", "rename", "dict"]),
    "drop of a number": (lambda t: t.transform(drop=5), ValidationError, ["user", "int", "columns"]),
    "an index over None": (lambda t: t.create_index(None), ValidationError, ["NoneType"]),
    "a dict as condition": (lambda t: t({"name": "x"}), ValidationError, ["user", "t(name='Ada')"]),
    "count of a dict": (lambda t: t.count({"name": "x"}), ValidationError, ["user", "keywords"]),
    "delete_where of a dict": (lambda t: t.delete_where({"name": "x"}), ValidationError, ["user", "keywords"]),
    "update by position": (lambda t: t.update(1, name="x"), ValidationError, ["int", "update(pk=1"]),
    "update(pk, values)": (lambda t: t.update(1, {"name": "x"}), ValidationError, ["user", "pk=1"]),
    "update(values, pk)": (lambda t: t.update({"name": "x"}, 1), ValidationError, ["user", "pk=1"]),
    "insert of a list": (lambda t: t.insert([{"name": "x"}]), ValidationError, ["list", "insert_all"]),
    "insert by position": (lambda t: t.insert("x", "e"), ValidationError, ["insert", "user"]),
    "insert of a class": (lambda t: t.insert(User), ValidationError, ["instance"]),
    "insert of an expression": (lambda t: t.insert(t.c.id == 1), ValidationError, ["insert({'name'"]),
    "insert(pk=)": (lambda t: t.insert({"name": "x"}, pk="id"), ColumnNotFoundError, ["'pk'", "db.create"]),
    "insert(replace=)": (lambda t: t.insert({"name": "x"}, replace=True), ColumnNotFoundError, ["upsert"]),
    "upsert(pk=)": (lambda t: t.upsert({"id": 1, "name": "x"}, pk="id"), ColumnNotFoundError, ["'pk'", "on='email'"]),
    "upsert on an expression": (lambda t: t.upsert({"id": 1}, on=t.c.id), ValidationError, ["on is the name", "user"]),
    "upsert on nothing": (lambda t: t.upsert({"id": 1}, on=[]), ValidationError, ["on is the name"]),
    "upsert(update=True)": (
        lambda t: t.upsert({"id": 1, "name": "x"}, update=True),
        ValidationError,
        ["update is the name"],
    ),
    "upsert of a list": (lambda t: t.upsert([{"id": 1}]), ValidationError, ["upsert_all"]),
    "get_or_create(record, defaults)": (
        lambda t: t.get_or_create({"id": 7}, {"name": "x"}),
        ValidationError,
        ["defaults={...}"],
    ),
    "defaults that are no dict": (lambda t: t.get_or_create(id=7, defaults="x"), ValidationError, ["dict", "user"]),
    "get_or_create(default=)": (lambda t: t.get_or_create(id=7, default={}), ColumnNotFoundError, ["defaults={...}"]),
    "where_args alone": (lambda t: t(where_args=[1]), ColumnNotFoundError, ["where_args", "params=[30]"]),
    "where_args": (lambda t: t(where="age > :a", where_args={"a": 1}), ValidationError, [":a"]),
    "get(key, default)": (lambda t: t.get(99, None), ValidationError, ["user", "default=None"]),
    "get(id=)": (lambda t: t.get(id=1), ValidationError, ["get(1)", "lookup(id="]),
    "get of nothing": (lambda t: t.get(), ValidationError, ["no key"]),
    "get of a dict": (lambda t: t.get({"id": 1}), ValidationError, ["row['id']"]),
    "a slice": (lambda t: t[1:2], ValidationError, ["limit=20"]),
    "a condition as key": (lambda t: t.delete(t.c.id == 1), ValidationError, ["delete_where"]),
    "several keys": (lambda t: t.get([1, 2]), ValidationError, ["t(id=[...])"]),
    "delete(id=)": (lambda t: t.delete(id=1), ValidationError, ["delete(1)", "delete_where(id="]),
    "delete(name=)": (lambda t: t.delete(name="a"), ValidationError, ["delete_where(name="]),
    "delete of two": (lambda t: t.delete(1, 2), ValidationError, ["delete_all"]),
    "update_where, conditions first": (
        lambda t: t.update_where("age > 3", age=1),
        ValidationError,
        ["values come first"],
    ),
    "a bare value": (lambda t: t("age > ?", 3), ValidationError, ["user", "[30]"]),
    "bare values": (lambda t: t.count("age > ? and name = ?", 3, "a"), ValidationError, ["list"]),
    "values that are missing": (lambda t: t("age > :a"), ValidationError, [":a", "dict"]),
    "%s": (lambda t: t("age > %s", [3]), ValidationError, ["%s", "?"]),
    "%(a)s": (lambda t: t("age > %(a)s", {"a": 3}), ValidationError, ["%(a)s", ":name"]),
    "several columns in one text": (
        lambda t: t(order_by="age DESC, name"),
        ColumnNotFoundError,
        ["'age DESC', 'name'"],
    ),
    "a page by such a text": (lambda t: t.page(order_by="age, name"), ColumnNotFoundError, ["'age', 'name'"]),
    "the direction apart": (lambda t: t(order_by=("age", "desc")), ColumnNotFoundError, ["order_by='-age'"]),
    "nulls last": (lambda t: t(order_by="age DESC NULLS LAST"), ColumnNotFoundError, ["nulls_last()"]),
    "a function": (lambda t: t(order_by="random()"), ColumnNotFoundError, ["sa.func"]),
    "desc that is not called": (lambda t: t(order_by=t.c.age.desc), DeeBaseError, ["desc()"]),
    "order": (lambda t: t(order="age"), ColumnNotFoundError, ["order_by="]),
    "page(page=)": (lambda t: t.page(page=2), ColumnNotFoundError, ["after=page.next"]),
    "page(limit=)": (lambda t: t.page(limit=2), ValidationError, ["limit", "size=20"]),
    "page(offset=0)": (lambda t: t.page(offset=0), ValidationError, ["offset", "after=page.next"]),
    "page(with_pk=)": (lambda t: t(with_pk=True).page(), ValidationError, ["with_pk", "holds its key"]),
    "export(with_pk=)": (lambda t: t.export_file("x.csv", with_pk=True), ValidationError, ["with_pk", "select="]),
    "count(limit=)": (lambda t: t.count(limit=2), ColumnNotFoundError, ["limit=20"]),
    "group_by": (lambda t: t(group_by="age"), ColumnNotFoundError, ["sa.select"]),
    "age__gt": (lambda t: t(age__gt=3), ColumnNotFoundError, ["t.c.age > value"]),
    "name__icontains": (lambda t: t(name__icontains="a"), ColumnNotFoundError, ["t.c.name.icontains"]),
    "a typing mistake": (lambda t: t(nme="a"), ColumnNotFoundError, ["'name'"]),
    "a whole SELECT": (lambda t: t("SELECT * FROM user"), ValidationError, ["SELECT", "db.q"]),
    "the word WHERE": (lambda t: t("WHERE age > 3"), ValidationError, ["WHERE", "omit"]),
    "ORDER BY in a condition": (lambda t: t("age > 3 ORDER BY name"), ValidationError, ["order_by="]),
    "LIMIT in a condition": (lambda t: t("age > 3 LIMIT 1"), ValidationError, ["limit="]),
    "a select as condition": (lambda t: t(sa.select(t.c.id)), ValidationError, ["db.q(select)"]),
    "sa.text": (lambda t: t(sa.text("age > :a")), ValidationError, ["t('age > :age'"]),
    "in": (lambda t: t(t.c.age.is_(None) is None), ValidationError, ["in_"]),
    "a number": (lambda t: t(1), ValidationError, ["t[1]"]),
    "xtra of a dict": (lambda t: t.xtra({"id": 1}), ValidationError, ["xtra(owner_id=7)"]),
    "conditions as foreign key": (
        lambda t: t.get_children({"id": 1}, "doc", "author_id > 3"),
        DeeBaseError,
        ["author_id", "come after"],
    ),
}


async def test_a_wrong_call_of_a_table_says_what_to_write(users: Table[Any]) -> None:
    before = await users(order_by="id")
    for name, (call, kind, parts) in CALLS.items():
        with case(name):
            with pytest.raises(kind) as caught:
                outcome = call(users)
                if hasattr(outcome, "__await__"):
                    await outcome
            for part in parts:
                assert part in str(caught.value)
            assert await users(order_by="id") == before


async def test_a_condition_may_hold_these_words_where_they_belong(users: Table[Any]) -> None:
    inner = 'id IN (SELECT id FROM "user" ORDER BY age LIMIT 1)'
    assert [row["name"] for row in await users(inner)] == ["a"]
    assert await users("name = 'order by' OR name = 'a'").count() == 1
    assert await users("name LIKE ?", ["%a"]).count() == 1
    assert await users("name <> '%s'", []).count() == 2


async def test_a_conflict_that_no_index_tells_is_named(users: Table[Any]) -> None:
    record = {"name": "x", "email": "e1"}
    for call in (
        lambda on: users.upsert(record, on=on),
        lambda on: users.upsert_all([record], on=on),
        lambda on: users.insert_all([record], on=on, on_conflict="ignore"),
        lambda on: users.insert_all([record], on=on, on_conflict="update", returning=True),
        lambda on: users.xtra(age=5).upsert(record, on=on),
    ):
        with pytest.raises(QueryError, match="user: no unique constraint or index covers name") as caught:
            await call("name")
        assert "create_index('name', unique=True)" in str(caught.value)
        with pytest.raises(QueryError, match="ux_email over email covers only the rows") as caught:
            await call("email")
        assert "on=" in str(caught.value.hint)
    await users.create_index("name", unique=True)
    assert (await users.upsert({"name": "a", "email": "new"}, on="name"))["email"] == "new"


async def test_a_violated_index_over_expressions_or_part_of_the_rows_is_named(
    db: Database, users: Table[Any], backend_name: str
) -> None:
    await users.create_index(sa.func.lower(users.c.name), name="ux_lower", unique=True)
    await users.create_index(["age", sa.func.lower(users.c.email)], name="ux_mixed", unique=True)
    text = 'INSERT INTO "user" (name, email, age) VALUES (?, ?, ?)'
    for record, index, columns in (
        ({"name": "A", "email": "z", "age": 7}, "ux_lower", ()),
        ({"name": "c", "email": "e1", "age": 7}, "ux_email", ("email",)),
        ({"name": "c", "email": "E1", "age": 5}, "ux_mixed", ("age",)),
    ):
        for call in (
            lambda record=record: users.insert(record),
            lambda record=record: users.insert_all([record]),
            lambda record=record: users.update({"id": 2, **record}),
            lambda record=record: db.q(text, [*record.values()]),
        ):
            with pytest.raises(UniqueViolationError) as caught:
                await call()
            error = caught.value
            assert (error.table_name, error.constraint_name, error.columns) == ("user", index, columns)
            assert f"unique index {index} over" in error.message
            assert not {"e1", "E1"} & set(error.message.replace("(", " ").replace(")", " ").split())


async def test_an_error_for_a_row_that_is_not_there_says_where_the_key_is(users: Table[Any]) -> None:
    for call in (users.get(99), users[99], users.delete(99), users.update(pk=99, name="x")):
        with pytest.raises(NotFoundError, match=r"\.filters") as caught:
            await call
        assert caught.value.filters == {"id": 99}
        assert "99" not in str(caught.value)
    with pytest.raises(NotFoundError, match=r"\.filters") as caught:
        await users.lookup(name="no tenant")
    assert caught.value.filters == {"name": "no tenant"}


ATTRIBUTES: list[tuple[str, str]] = [
    ("filter", r"user\(name=value\)"),
    ("where", r"age > \?"),
    ("objects", r"user\(name=value\)"),
    ("all", r"await user\(\)"),
    ("save", "upsert"),
    ("insert_many", "insert_all"),
    ("bulk_create", "insert_all"),
    ("update_or_create", "upsert"),
    ("get_or_none", "default=None"),
    ("first", r"first\(\)"),
    ("order_by", "order_by='-age'"),
    ("rows_where", r"\[30\]"),
    ("age", r"user\.c\.age"),
    ("lokup", "'lookup'"),
]


async def test_an_attribute_of_other_libraries_says_what_to_write(users: Table[Any]) -> None:
    for name, instead in ATTRIBUTES:
        with case(name):
            assert not hasattr(users, name)
            with pytest.raises(AttributeError, match=instead):
                getattr(users, name)


async def test_so_do_those_of_queries_views_and_databases(db: Database, users: Table[Any]) -> None:
    view = await db.create_view("adult", 'SELECT id, name FROM "user"')
    for thing, name, instead in (
        (users(), "limit", "limit=20"),
        (users(), "all", r"await user\(\)"),
        (users(), "delete", "delete_where"),
        (view, "filter", r"adult\(name=value\)"),
        (db, "execute", r"db\.q"),
        (db, "commit", r"db\.transaction"),
        (db, "session", "transaction"),
        (db, "fetch_all", r"db\.q"),
        (db, "user", r"db\.t\.user"),
        (db, "creat", "'create'"),
    ):
        with pytest.raises(AttributeError, match=instead):
            getattr(thing, name)
        assert not hasattr(thing, "__no_such_protocol__")
    with pytest.raises(TypeError, match=r"db\.t\['user'\]"):
        db["user"]  # type: ignore[index]


async def test_several_statements_and_foreign_placeholders_of_q(db: Database, users: Table[Any]) -> None:
    async with db.transaction():
        with pytest.raises(QueryError, match=r"db\.script"):
            await db.q("SELECT 1; SELECT 2")
        with pytest.raises(QueryError, match=r"db\.script"):
            await db.q('DELETE FROM doc; DELETE FROM "user"')
        for text, params in (('SELECT * FROM "user" WHERE age > %s', [1]), ("SELECT %(a)s", {"a": 1})):
            with pytest.raises(ValidationError, match=r"write \? or :name"):
                await db.q(text, params)
        with pytest.raises(ValidationError, match="SQL text"):
            await db.script(["SELECT 1"])
        # Nothing was sent: the block goes on.
        assert await db.item("SELECT 'a;b; %s' AS x;") == "a;b; %s"
    assert await users.count() == 2


@dataclass
class Record:
    id: int
    name: str = "x"


CREATED: list[tuple[Callable[[Database], Any], type[DeeBaseError], str]] = [
    (lambda db: db.create(Record(1)), ValidationError, r"db\.create\(Record\)"),  # type: ignore[call-overload]
    (lambda db: db.create("record"), ValidationError, "not from str"),  # type: ignore[call-overload]
    (lambda db: db.create({"id": int}), ValidationError, "not from dict"),  # type: ignore[call-overload]
    (lambda db: db.create(Doc, pk="cod"), ColumnNotFoundError, "'code'"),
    (lambda db: db.create(Doc, pk=["id", "cod"]), ColumnNotFoundError, "'code'"),
    (lambda db: db.create(Doc, indexes=["cde"]), ColumnNotFoundError, "'code'"),
    (lambda db: db.create(Doc, indexes=[1]), ValidationError, "Index"),  # type: ignore[list-item]
    (lambda db: db.create(Doc, foreign_keys={"code": "user.id"}), ValidationError, "ForeignKey"),  # type: ignore[dict-item]
    (lambda db: db.create(Doc, defaults=["x"]), ValidationError, "dict"),  # type: ignore[arg-type]
    (lambda db: db.create(Doc, if_not_exists="yes"), ValidationError, "True or False"),  # type: ignore[arg-type]
    (lambda db: db.create_all(Record(1)), ValidationError, "not from Record"),  # type: ignore[arg-type]
    (lambda db: db.create_all({"doc": {}}), ValidationError, "class"),  # type: ignore[dict-item]
    (lambda db: db.create_all(Doc, options=[Doc]), ValidationError, "dict by class"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("number", range(len(CREATED)))
async def test_a_wrong_call_of_create_says_what_to_write(db: Database, number: int) -> None:
    call, kind, text = CREATED[number]
    with pytest.raises(kind, match=text):
        await call(db)
    assert len(db.t) == 0


def models() -> types.ModuleType:
    module = types.ModuleType("models")
    tables: Any = {User: {"indexes": ["email"]}, Doc: {"pk": "code"}}
    module.TABLES = tables  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("form", ["list", "tuple", "dict", "module", "generator"])
async def test_classes_come_as_a_list_a_dict_or_a_module(db_url: str, form: str) -> None:
    options: Any = {User: {"indexes": ["email"]}, Doc: {"pk": "code"}}
    given: Any = {
        "list": [User, Doc],
        "tuple": (User, Doc),
        "dict": options,
        "module": models(),
        "generator": (cls for cls in (User, Doc)),
    }[form]
    keeps = form in ("dict", "module")
    async with Database(db_url) as db:
        users, docs = await db.create_all(list(given) if form == "generator" else given)
        assert (users.name, docs.pks) == ("user", ("code",) if keeps else ("id",))
        assert [index["columns"] for index in users.indexes] == ([["email"]] if keeps else [])


async def test_a_temporary_database_keeps_the_options_of_its_classes() -> None:
    for given in ({User: {"indexes": ["email"]}, Doc: {"pk": "code"}}, models()):
        async with temporary_database(classes=given) as db:
            assert db.t.doc.pks == ("code",)
            assert [index["columns"] for index in db.t.user.indexes] == [["email"]]
    async with temporary_database(":memory:", classes=iter([User, Doc])) as db:
        assert len(db.t) == 2
    async with temporary_database(":memory:") as db:
        assert len(db.t) == 0


NAMES = [
    "self", "cls", "record", "values", "where", "params", "limit", "offset", "order_by", "select", "with_pk", "all",
    "pk", "on", "update", "default", "defaults", "size", "after", "for_update", "skip_locked", "key", "row", "table",
    "column", "columns", "conditions_", "keywords", "surplus", "target", "format", "returning", "on_conflict", "rows",
]  # fmt: skip


@pytest.mark.on_a_file
async def test_columns_named_like_arguments_have_a_way_everywhere(db: Database) -> None:
    cls = type("Odd", (), {"__annotations__": {"id": int, **dict.fromkeys(NAMES, int | None)}})
    table = await db.create(cls, indexes=[Index(f"ux_{name}", name, unique=True) for name in NAMES])
    row = await table.insert({name: number for number, name in enumerate(NAMES)})
    assert await table.update(row) == row
    for number, name in enumerate(NAMES):
        assert (await table.upsert({name: number, "id": 1}, on="id"))[name] == number
        assert (await table.upsert({name: number}, on=name))["id"] == 1
        assert (await table.get_or_create({name: number}))[1] is False
        assert await table.update({name: number}, pk=1) == row
        assert await table.update_where({name: number}, table.c[name] == number) == 1
        assert await table(table.c[name] == number, select=[name], order_by=name) == [{name: number}]
        assert (await table.page(table.c[name] == number, order_by=name)).rows == [row]
        assert await table.insert_all([{name: number}], on=name, on_conflict="ignore") == 0
        # By keyword, wherever a method has no argument of this name.
        assert await table.lookup(**{name: number}) == row
        assert await table.count(**{name: number}) == 1
        assert await table.exists(**{name: number})
        mine = table.xtra(**{name: number})
        assert await mine(order_by="id") == [row]
        assert (await mine.update({name: number, "id": 1}))["id"] == 1
    assert await table(self=0, cls=1, record=2) == [row]
    assert await table.delete_where(self=0) == 1
    made = await table.insert(self=5, record=6)
    assert made["record"] == 6
    assert (await table.update(pk=made["id"], self=7, record=8))["self"] == 7
    assert (await table.upsert(id=made["id"], self=9))["self"] == 9
    assert (await table.get_or_create(self=9, record=8))[1] is False
    assert await table.rows_as(table.dataclass()).count(self=9) == 1


#: Calls with an argument of a wrong type, and the name of the argument.
WRONG_ARGUMENTS: dict[str, Callable[[Database, Any], Any]] = {
    "rows": lambda db, bad: db.t.thing.search("a", rows=bad),
    "attempts": lambda db, bad: db.retry(lambda: db.t.thing.count(), attempts=bad),
    "index_foreign_keys": lambda db, bad: db.t.thing.transform(drop="name", index_foreign_keys=bad),
    "not_null": lambda db, bad: db.t.thing.transform(not_null={"name": bad}),
    "ignore_case": lambda db, bad: Index("i", "name", ignore_case=bad),
    "unique": lambda db, bad: db.t.thing.create_index("name", unique=bad),
    "if_not_exists": lambda db, bad: db.t.thing.create_index("name", if_not_exists=bad),
    "prefix": lambda db, bad: db.t.thing.enable_search("name", prefix=bad),
    "strict": lambda db, bad: db.create(Thing, name="other", strict=bad),
    "generate_key": lambda db, bad: db.create(Thing, name="other", generate_key=bad),
    "distinct": lambda db, bad: db.t.thing(distinct=bad),
    "with_pk": lambda db, bad: db.t.thing(with_pk=bad),
    "skip_locked": lambda db, bad: db.t.thing(skip_locked=bad),
    "for_update": lambda db, bad: db.t.thing.get(1, for_update=bad),
    "where": lambda db, bad: db.t.thing(where=bad),
    "counts": lambda db, bad: db.t.thing.values("name", counts=bad),
    "returning": lambda db, bad: db.t.thing.insert_all([], returning=bad),
    "row_type": lambda db, bad: db.t.thing.rows_as(bad),
    "replace": lambda db, bad: db.create_view("seen", "SELECT 1 AS a", replace=bad),
    "views": lambda db, bad: db.diagram(views=bad),
    "overwrite": lambda db, bad: db.t.thing.export_file("things.csv", overwrite=bad),
    "progress": lambda db, bad: db.t.thing.export_file(io.BytesIO(), format="csv", progress=bad),
    "table": lambda db, bad: db.import_file(b"a\n1\n", bad),
    "timeout": lambda db, bad: db.close(timeout=bad),
}


class Thing:
    id: int
    name: str


@pytest.mark.parametrize("name", WRONG_ARGUMENTS)
async def test_an_argument_of_a_wrong_type_is_named(db: Database, name: str) -> None:
    await db.create(Thing, search=["name"])
    # A list of conditions is a where.
    for bad in ("" if name in ("table", "where") else ["a"], -1, object()):
        with pytest.raises(ValidationError) as caught:
            made = WRONG_ARGUMENTS[name](db, bad)
            await made
        assert caught.value.field == name
        assert caught.value.hint
    assert await db.t.thing.count() == 0


async def test_other_classes_of_errors_are_ours_too(db: Database) -> None:
    things = await db.create(Thing)
    with pytest.raises(DeeBaseError, match="isolation"):
        db.transaction(isolation=5)  # type: ignore[arg-type]
    with pytest.raises(DeeBaseError, match="drop_foreign_keys"):
        await things.transform(drop_foreign_keys=5)  # type: ignore[arg-type]
    with pytest.raises(DeeBaseError, match="columns of a foreign key"):
        ForeignKey("thing", columns=5)  # type: ignore[arg-type]
    for options in ({"header": 5}, {"pk": 5}, {"progress": 5}):
        with pytest.raises(ValidationError):
            await db.import_file(b"a\n1\n", "imported", **options)  # type: ignore[arg-type]
    with pytest.raises(DeeBaseError):
        await things.rename_column([], "x")  # type: ignore[arg-type]
    with pytest.raises(DeeBaseError):
        await things.extract([], table="x")  # type: ignore[arg-type]
