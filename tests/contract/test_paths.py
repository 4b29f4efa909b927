"""Columns of related rows by path: in select, conditions, orders, pages, counts and writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    UNSET,
    ColumnNotFoundError,
    Database,
    ForeignKey,
    InvalidOperationError,
    SchemaError,
    Table,
    ValidationError,
)
from deebase._sqltext.capabilities import capabilities_of
from deebase.queries import count, max_, sum_


class Company:
    id: int
    name: str
    founded: datetime | None


class Author:
    id: int
    name: str
    company_id: ForeignKey[int, "company"] | None
    boss_id: ForeignKey[int, "author"] | None


@dataclass
class Post:
    id: int | None
    title: str
    name: str
    author_id: ForeignKey[int, "author"]
    editor_id: ForeignKey[int, "author"] | None = None
    views: int = 0


@dataclass
class World:
    companies: Table[dict[str, Any]]
    authors: Table[dict[str, Any]]
    posts: Table[Post]


@pytest.fixture
async def world(db: Database) -> World:
    companies, authors, posts = await db.create_all(Company, Author, Post)
    await companies.insert_all([{"name": "Acme", "founded": datetime(1950, 5, 17)}, {"name": "Brook", "founded": None}])
    await authors.insert_all(
        [
            {"name": "Ada", "company_id": 1, "boss_id": None},
            {"name": "Bob", "company_id": 2, "boss_id": 1},
            {"name": "Cid", "company_id": None, "boss_id": 2},
        ]
    )
    await posts.insert_all(
        {
            "title": f"post {n}",
            "name": "a name",
            "author_id": n % 3 + 1,
            "editor_id": None if n % 2 else 1,
            "views": n * 10,
        }
        for n in range(6)
    )
    return World(companies, authors, posts)


async def test_a_select_of_paths_gives_dicts_by_path(world: World) -> None:
    rows = await world.posts(
        select=["id", "author_id.name", "author_id.company_id.name", "editor_id.name"], order_by="id"
    )
    assert rows[:3] == [
        {"id": 1, "author_id.name": "Ada", "author_id.company_id.name": "Acme", "editor_id.name": "Ada"},
        {"id": 2, "author_id.name": "Bob", "author_id.company_id.name": "Brook", "editor_id.name": None},
        {"id": 3, "author_id.name": "Cid", "author_id.company_id.name": None, "editor_id.name": "Ada"},
    ]
    assert [type(row) for row in await world.posts(order_by="author_id.name", limit=1)] == [Post]


async def test_a_select_of_a_dict_gives_its_names(world: World) -> None:
    posts = world.posts
    size = sa.func.length(posts.fk.author_id.c.name) + 1
    chosen = {"nr": "id", "author": "author_id.name", "boss": posts.fk.author_id.fk.boss_id.c.name, "size": size}
    rows = await posts(select=chosen, order_by=["-author", "nr"], limit=2)
    assert rows == [
        {"nr": 3, "author": "Cid", "boss": "Bob", "size": 4},
        {"nr": 6, "author": "Cid", "boss": "Bob", "size": 4},
    ]
    pairs = await posts(select=chosen, order_by="id", limit=1, with_pk=True)
    assert pairs == [(1, {"nr": 1, "author": "Ada", "boss": None, "size": 4})]


async def test_conditions_by_path(world: World) -> None:
    posts = world.posts
    author, editor = posts.fk.author_id, posts.fk.editor_id

    async def ids(*conditions: Any, **options: Any) -> list[int]:
        return [row["id"] for row in await posts(*conditions, select={"id": "id"}, order_by="id", **options)]

    assert await ids(author.c.name == "Ada") == [1, 4]
    assert await ids((author.c.name == "Ada") | (editor.c.name == "Ada")) == [1, 3, 4, 5]
    assert await ids(author.fk.company_id.c.name.is_(None)) == [3, 6]
    assert await ids(author.c.id == editor.c.id) == [1]
    assert await ids(author.c.name.in_(["Bob", "Cid"]), views=[10, 20]) == [2, 3]
    assert await ids(author.fk.company_id.c.founded < datetime(1960, 1, 1)) == [1, 4]
    assert await ids(where={"author_id.name": ["Ada", "Cid"], "editor_id": None}) == [4, 6]
    assert await ids(where={"author_id.company_id.founded": datetime(1950, 5, 17)}, views=30) == [4]
    assert await ids(**{"editor_id.name": None}) == [2, 4, 6]
    # A name in SQL text is one of the table, though the author has such a column, too.
    assert await ids("name = ? AND title <> ?", ["a name", "x"], author.c.name == "Bob") == [2, 5]
    subquery = sa.select(world.authors.c.id).where(world.authors.c.boss_id == author.c.id).exists()
    assert await ids(subquery) == [1, 2, 4, 5]
    assert await posts.count(author.c.name == "Ada") == 2
    assert await posts(author.c.name == "Ada").count() == 2
    assert await posts.exists(author.c.name == "Ada")
    assert not await posts.exists(**{"author_id.name": "nobody else"})
    assert (await posts.lookup(**{"author_id.name": "Bob"})).id == 2
    assert (
        await posts(order_by=["author_id.name", "id"]).scalars("author_id.name")
        == ["Ada"] * 2 + ["Bob"] * 2 + ["Cid"] * 2
    )
    with pytest.raises(ValidationError, match="is in where and among the keywords"):
        posts(where={"views": 1}, views=2)


async def test_an_order_by_path(world: World) -> None:
    posts = world.posts
    by_name = [1, 4, 2, 5, 3, 6]
    for order in (
        ["author_id.name", "id"],
        ["author_id.name asc", posts.c.id],
        [posts.fk.author_id.c.name, "id"],
        ["author_id.boss_id.boss_id.name", "author_id.name", "id"],
    ):
        found = [row.id for row in await posts(order_by=order)]
        assert sorted(found) == sorted(by_name)
        if order[0] != "author_id.boss_id.boss_id.name":
            assert found == by_name
    assert [row.id async for row in posts(order_by=["-author_id.name", "-id"])] == by_name[::-1]


@pytest.mark.parametrize("order", ["author_id.name", "-editor_id.name", ["editor_id.company_id.founded", "-id"], "-id"])
async def test_pages_by_path(world: World, order: Any) -> None:
    posts = world.posts
    rows, after = [], None
    query = posts("name = 'a name'", posts.fk.author_id.c.id > 0, select=["id", "editor_id.name"], order_by=order)
    pages = []
    while True:
        page = await query.page(size=2, after=after)
        pages.append(page)
        rows += page.rows
        after = page.next
        if after is None:
            break
    items = [order] if isinstance(order, str) else order
    ends = "-id" if items[-1].startswith("-") else "id"
    assert [row["id"] for row in rows] == [row.id for row in await posts(order_by=[*items, ends])]
    back = await query.page(size=2, after=pages[2].previous)
    assert back.rows == pages[1].rows
    assert (await posts.page(order_by=order, size=6)).rows == await posts(order_by=[*items, ends])


async def test_writes_by_path(world: World, db: Database) -> None:
    posts, author = world.posts, world.posts.fk.author_id
    assert await posts.update_where({"title": "changed"}, author.c.name == "Bob", "name = ?", ["a name"]) == 2
    assert sorted([row.id for row in await posts(title="changed")]) == [2, 5]
    assert await posts.delete_where(**{"author_id.company_id.name": None}) == 2
    assert await posts.count() == 4

    await db.q("CREATE TABLE loose (author_id BIGINT REFERENCES author (id))")
    await db.reflect()
    loose = db.t.loose
    await loose.insert(author_id=1)
    assert await loose(select=["author_id.name"]) == [{"author_id.name": "Ada"}]
    with pytest.raises(InvalidOperationError, match="by their key"):
        await loose.delete_where(**{"author_id.name": "Ada"})


async def test_conditions_by_path_in_other_calls(world: World, db: Database, tmp_path: Path) -> None:
    posts, author = world.posts, world.posts.fk.author_id
    await posts.enable_search("title")
    assert {row.id for row in await posts.search("post", author.c.name == "Bob", rows=True)} == {2, 5}
    assert await posts.search("post", **{"author_id.name": "Bob"}).count() == 2
    ada = await world.authors[1]
    found = await world.authors.get_children(ada, posts, "author_id", **{"editor_id.name": "Ada"})
    assert [row.id for row in found] == [1]
    query = posts(author.c.name == "Ada", select={"title": "title", "writer": "author_id.name"}, order_by="id")
    assert await query.export(tmp_path / "posts.csv") == 2
    assert (tmp_path / "posts.csv").read_text().splitlines() == ["title,writer", "post 0,Ada", "post 3,Ada"]
    page = await posts.page(author.c.name != "Ada", order_by=[posts.fk.editor_id.c.id, author.c.name], size=3)
    again = await posts.page(author.c.name != "Ada", order_by=["editor_id.id", "author_id.name"], size=3)
    assert page == again


async def test_composite_keys_and_keys_of_other_columns(db: Database) -> None:
    class Region:
        country: str
        code: str
        name: str

    class Shop:
        id: int
        country: str
        region: str
        twin: int | None

    regions = await db.create(Region, pk=["country", "code"])
    shops = await db.create(
        Shop, foreign_keys={("country", "region"): ForeignKey("region"), "twin": ForeignKey("shop")}
    )
    await regions.insert_all([{"country": c, "code": r, "name": f"{c}-{r}"} for c in ("CH", "DE") for r in ("A", "B")])
    await shops.insert(country="CH", region="B", twin=None)
    await shops.insert(country="DE", region="A", twin=1)
    rows = await shops(select=["region.name", "country.code", "twin.region.name"], order_by="id")
    assert rows == [
        {"region.name": "CH-B", "country.code": "B", "twin.region.name": None},
        {"region.name": "DE-A", "country.code": "A", "twin.region.name": "CH-B"},
    ]
    assert await shops.count(shops.fk["country", "region"].c.name == "DE-A") == 1
    assert await shops.count(shops.fk.twin.fk.region.c.name == "CH-B", **{"region.name": "DE-A"}) == 1
    # One join serves all names of one path.
    text = (await shops(shops.fk.region.c.code == "A", select=["country.name"]).explain()).lower()
    assert text.count("deebase_country+region") <= 2


async def test_the_columns_of_a_path_are_the_same_objects(world: World) -> None:
    posts = world.posts
    name = posts.fk.author_id.fk.company_id.c.name
    assert isinstance(name, sa.Column)
    assert name is posts.xtra(views=10).rows_as(dict).fk.author_id.fk.company_id.c.name
    assert posts.fk.author_id.c.name is not posts.fk.editor_id.c.name
    statements = posts._model.statements

    async def run(n: int) -> None:
        author = posts.fk.author_id
        await posts(
            author.c.name == f"x{n}", select=["author_id.company_id.name"], where={"editor_id.name": "y"}, limit=n
        )
        await posts.page(author.fk.boss_id.c.id > n, order_by="author_id.name")
        await posts.count((author.c.id > n) | (author.c.id.is_(None)))

    await run(1)
    known = len(statements)
    for n in range(2, 20):
        await run(n)
    assert len(statements) == known


async def test_a_changed_table_has_its_current_columns(world: World, db: Database) -> None:
    before = world.posts.fk.author_id.c.name
    await world.authors.add_column("email", str | None)
    posts = db.t.post
    assert await posts(select=["author_id.email"], limit=1) == [{"author_id.email": None}]
    assert await posts.count(posts.fk.author_id.c.name == "Ada") == 2
    assert await world.posts.count(before == "Ada") == 2
    assert await world.posts(select=["author_id.email"], limit=1) == [{"author_id.email": None}]
    await db.t.author.rename("writer")
    assert await db.t.post(select=["author_id.name"], order_by="id", limit=1) == [{"author_id.name": "Ada"}]


async def test_a_scope_holds_beyond_a_table_without_its_column(db: Database) -> None:
    class Land:
        id: int
        tenant_id: int
        name: str

    class Town:
        id: int
        land_id: ForeignKey[int, "land"]

    class House:
        id: int
        tenant_id: int
        town_id: ForeignKey[int, "town"] | None
        twin_id: ForeignKey[int, "house"] | None

    lands, towns, houses = await db.create_all(Land, Town, House)
    await lands.insert_all([{"tenant_id": 1, "name": "mine"}, {"tenant_id": 2, "name": "theirs"}])
    await towns.insert_all([{"land_id": 1}, {"land_id": 2}])
    await houses.insert_all([{"tenant_id": n % 2 + 1, "town_id": n % 2 + 1} for n in range(2)])
    await houses.insert_all([{"tenant_id": 1, "town_id": 2, "twin_id": 2}, {"tenant_id": 1, "twin_id": 1}])
    mine = houses.xtra(tenant_id=1)
    rows = await mine(select=["id", "town_id.land_id.name", "twin_id.town_id.id"], order_by="id")
    assert [list(row.values()) for row in rows] == [[1, "mine", None], [3, None, None], [4, None, 1]]
    assert await mine.count(**{"town_id.land_id.name": "theirs"}) == 0
    assert await mine.values("town_id.land_id.name") == ["mine", None]
    # A key says which row, not whose: it restricts no other table.
    assert await houses.xtra(id=4)(select=["twin_id.id"]) == [{"twin_id.id": 1}]


async def test_an_uncommitted_column_is_found_by_its_own_transaction(world: World, db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.t.author.add_column("email", str | None)
            assert await db.t.post(select=["author_id.email"], limit=1) == [{"author_id.email": None}]
            raise ZeroDivisionError
    with pytest.raises(ColumnNotFoundError):
        await db.t.post(select=["author_id.email"])
    assert (
        await db.t.post.count(**{"author_id.name": "Ada"}) == await world.posts.count(**{"author_id.name": "Ada"}) == 2
    )


async def test_wrong_paths_are_refused_before_anything_is_sent(world: World, db: Database) -> None:
    posts = world.posts
    for path, message, hint in (
        ("authr_id.name", "table post has no column 'authr_id'", "the foreign keys are author_id; editor_id"),
        ("title.name", "post.title is not a foreign key, in the path 'title.name'", "author_id; editor_id"),
        ("author_id.nam", "table author has no column 'nam'", "did you mean 'name'?"),
        ("author_id.company_id.name.x", "company.name is not a foreign key", "the table has no foreign keys"),
        ("author_id.", "table author has no column ''", None),
    ):
        for call in (
            lambda path=path: posts(select=[path]),
            lambda path=path: posts(select={"x": path}),
            lambda path=path: posts(where={path: 1}),
            lambda path=path: posts(**{path: 1}),
        ):
            with pytest.raises(ColumnNotFoundError, match=message) as caught:
                call()
            assert hint is None or hint in str(caught.value.hint)
        with pytest.raises(ColumnNotFoundError):
            await posts(order_by=path)
    with pytest.raises(ValidationError, match="at most 5 foreign keys"):
        posts(select=["author_id" + ".boss_id" * 5 + ".name"])
    assert await posts.count(**{"author_id" + ".boss_id" * 4 + ".name": None}) == 6
    with pytest.raises(ValidationError, match="belongs to the table author"):
        posts(world.authors.fk.boss_id.c.name == "x")
    with pytest.raises(ValidationError, match="select is a list of column names, or a dict"):
        posts(select="title")  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="has no name"):
        posts(select=[posts.c.views + 1])
    with pytest.raises(ValidationError, match="two columns are called 'id'"):
        posts(select=["id", "id", "author_id.name"])
    with pytest.raises(ValidationError, match="a column is a name, a path or an expression, not int"):
        posts(select={"x": 1})
    view = await db.create_view("titles", "SELECT id, title FROM post")
    with pytest.raises(ColumnNotFoundError, match="is not a foreign key"):
        view(select=["title.name"])


async def test_distinct_rows(world: World) -> None:
    posts = world.posts
    shown = ["author_id.name", "editor_id.name"]
    rows = await posts(select=shown, distinct=True, order_by=["-author_id.name", "editor_id.name"])
    assert [row["author_id.name"] for row in rows] == ["Cid", "Cid", "Bob", "Bob", "Ada", "Ada"]
    found = await posts(select=["author_id"], distinct=True, order_by="author_id", limit=2, offset=1)
    assert [(type(row), row.author_id, row.title) for row in found] == [(Post, n, UNSET) for n in (2, 3)]
    assert await posts(select=["author_id"], distinct=True).count() == 3
    assert sorted(await posts(distinct=True).scalars("author_id")) == [1, 2, 3]
    with pytest.raises(SchemaError, match="distinct rows are sorted by columns that they have"):
        await posts(select=["author_id"], distinct=True, order_by="id")
    for call in (lambda: posts(distinct=True, with_pk=True), lambda: posts(distinct=True, for_update=True)):
        with pytest.raises(ValidationError, match="a distinct query has no"):
            call()
    with pytest.raises(ValidationError, match="a page has no distinct"):
        await posts(distinct=True).page()


async def test_the_names_of_tables_and_columns_may_be_anything(db: Database) -> None:
    long = "a" * 40
    parent: Any = type("Parent", (), {"__annotations__": {"id": int, "a.b": int, "näme %s": str}})
    child: Any = type(
        "Child",
        (),
        {
            "__annotations__": {
                "id": int,
                f"{long}_1": ForeignKey[int, "deebase_pa"],
                f"{long}_2": ForeignKey[int, "deebase_pa"],
                "a.b": int,
                "parent": ForeignKey[int, "deebase_pa"],
            }
        },
    )
    parents = await db.create(parent, name="deebase_pa")
    children = await db.create(child, name="parent")
    await parents.insert({"id": 1, "a.b": 5, "näme %s": "x"})
    await parents.insert({"id": 2, "a.b": 6, "näme %s": "y"})
    await children.insert({f"{long}_1": 1, f"{long}_2": 2, "a.b": 7, "parent": 2})
    rows = await children(select=["a.b", f"{long}_1.näme %s", f"{long}_2.näme %s", "parent.id"])
    assert rows == [{"a.b": 7, f"{long}_1.näme %s": "x", f"{long}_2.näme %s": "y", "parent.id": 2}]
    assert await children.count(children.fk.parent.c["a.b"] == 6, **{"a.b": 7}) == 1


async def test_a_query_by_path_finds_the_rows_by_their_keys(world: World, db: Database) -> None:
    """Two joins cost what they cost by hand: the plans are the same."""
    posts = world.posts
    await db.q("ANALYZE")
    query = posts(
        posts.fk.author_id.fk.company_id.c.name == "Acme",
        select=["id", "author_id.name"],
        order_by="-id",
        limit=2,
    )
    by_hand = (
        "SELECT p.id, a.name FROM post p LEFT JOIN author a ON a.id = p.author_id "
        "LEFT JOIN company c ON c.id = a.company_id WHERE c.name = 'Acme' ORDER BY p.id DESC LIMIT 2"
    )
    explain = "EXPLAIN" if capabilities_of(db._core.dialect).checks_types else "EXPLAIN QUERY PLAN"
    rows: Any = await db.q(f"{explain} {by_hand}")
    plan = "\n".join([str(list(row.values())[-1]) for row in rows])
    ours = await query.explain()
    for name, alias in (("post", "p"), ("deebase_author_id.company_id", "c"), ("deebase_author_id", "a")):
        ours = ours.replace(name, alias)
        plan = plan.replace(f"{name} ", "")
    steps = [[line.split("(cost")[0].split()[:4] for line in text.splitlines()] for text in (ours, plan)]
    assert [len(each) for each in steps] == [len(steps[0])] * 2
    assert ("SCAN" in ours.upper()) == ("SCAN" in plan.upper())


async def test_values_are_read_as_the_column_stores_them(db: Database) -> None:
    class Rate:
        id: int
        price: Decimal
        since: timedelta
        data: dict

    class Use:
        id: int
        rate_id: ForeignKey[int, "rate"] | None

    rates = await db.create(Rate)
    uses = await db.create(Use)
    await rates.insert(price=Decimal("1.50"), since=timedelta(seconds=5), data={"a": [1]})
    await uses.insert(rate_id=1)
    await uses.insert(rate_id=None)
    rows = await uses(select=["rate_id.price", "rate_id.since", "rate_id.data"], order_by="id")
    assert rows[0] == {
        "rate_id.price": Decimal("1.50"),
        "rate_id.since": timedelta(seconds=5),
        "rate_id.data": {"a": [1]},
    }
    assert set(rows[1].values()) == {None}
    assert await uses.count(**{"rate_id.price": Decimal("1.5")}) == 1
    table = await uses(select={"price": "rate_id.price"}, order_by="id").arrow()
    assert table.to_pylist() == [{"price": Decimal("1.50")}, {"price": None}]
    with pytest.raises(ValidationError, match="price"):
        await uses.count(**{"rate_id.price": "dear"})


async def test_where_is_an_argument_of_every_call_with_conditions(world: World) -> None:
    posts = world.posts
    ada: Any = {"author_id.name": "Ada"}
    for where, params in (
        (ada, None),
        ("author_id = ?", [1]),
        ("author_id = :key", {"key": 1}),
        (posts.fk.author_id.c.name == "Ada", None),
        ([posts.c.author_id == 1, "views >= ?", [0]], None),
    ):
        given: dict[str, Any] = {"where": where, "params": params}
        assert len(await posts(**given)) == await posts.count(**given) == 2
        assert await posts.exists(**given)
        assert await posts.sum("views", **given) == 30
        assert (await posts.avg("views", **given), await posts.max("views", **given)) == (15.0, 30)
        assert (await posts.min("views", **given), await posts.values("views", **given)) == (0, [0, 30])
        assert await posts.group("author_id", total=sum_("views"), **given) == [{"author_id": 1, "total": 30}]
        assert (await posts.lookup(**given)).title == "post 0"
        assert len((await posts.page(**given)).rows) == 2
        assert await posts.update_where({"views": 1}, views=-1, **given) == 0
        assert await posts.delete_where(views=-1, **given) == 0
    with pytest.raises(ValidationError, match="in where and among the keywords"):
        await posts.count(where={"views": 1}, views=1)
    with pytest.raises(ValidationError, match="params without a text"):
        await posts.count(where=ada, params=[1])


async def test_scalars_of_one_selected_column(world: World) -> None:
    query = world.posts(select=["author_id.name"], order_by="id", limit=2)
    assert await query.scalars() == ["Ada", "Bob"]
    assert await world.posts(select={"n": sa.func.count()}).scalars() == [6]


async def test_an_expression_alone_has_a_row_for_each_row_of_the_table(world: World) -> None:
    assert await world.posts(select={"one": sa.literal(1)}, limit=4).scalars() == [1] * 4


async def test_columns_of_other_tables_are_refused(world: World, db: Database) -> None:
    """Each row of the one table would meet every row of the other."""
    posts, other = world.posts, world.authors.c.name
    again: Any = posts.sa_table.alias("again").c.title
    for column in (other, again, sa.func.lower(other)):
        calls: list[Any] = [
            lambda column=column: posts(select={"x": column}),
            lambda column=column: posts(column == "Ada"),
            lambda column=column: posts(posts.c.id > sa.func.length(column)),
            lambda column=column: posts(order_by=column),
            lambda column=column: posts.page(order_by=[column]),
            lambda column=column: posts.count(column == "Ada"),
            lambda column=column: posts.max(column),
            lambda column=column: posts.values(column),
            lambda column=column: posts.count(distinct=column),
            lambda column=column: posts.group(x=max_(column)),
            lambda column=column: posts.group(column.label("x"), n=count()),
            lambda column=column: posts.group("title", n=count(), having=sa.func.max(column) > "A"),
            lambda column=column: posts.update_where({"title": "x"}, column == "Ada"),
            lambda column=column: posts.update_where({"title": db.sql(column)}, id=1),
            lambda column=column: posts.delete_where(column == "Ada"),
        ]
        for call in calls:
            with pytest.raises(ValidationError, match=r"is a column of (author|again)") as caught:
                await call()
            assert caught.value.hint
    with pytest.raises(ValidationError, match="no columns of related rows, as of 'author_id'"):
        await posts.update_where({"title": db.sql(posts.fk.author_id.c.name)}, id=1)
    authors = world.authors.c
    name = sa.select(authors.name).where(authors.id == posts.c.author_id).scalar_subquery()
    assert await posts.count(sa.exists().where(authors.id == posts.c.author_id, authors.name == "Ada")) == 2
    assert await posts(select={"x": name}, order_by=["id"], limit=2).scalars() == ["Ada", "Bob"]
    assert await posts.update_where({"title": db.sql(name)}, id=2) == 1
    assert (await posts[2]).title == "Bob"


async def test_a_path_over_columns_with_dots_in_their_names(db: Database) -> None:
    await db.script(
        'CREATE TABLE place ("a.b" integer PRIMARY KEY, "the.name" text);'
        'CREATE TABLE visit (id integer PRIMARY KEY, "a.b" integer REFERENCES place ("a.b"));'
        """INSERT INTO place VALUES (1, 'Berlin'); INSERT INTO visit VALUES (5, 1)"""
    )
    await db.reflect()
    visits = db.t.visit
    assert await visits(select=["a.b", "a.b.the.name", "a.b.a.b"]) == [
        {"a.b": 1, "a.b.the.name": "Berlin", "a.b.a.b": 1}
    ]
    assert [column.name for column in visits.describe("a.b.the.name")] == ["a.b.the.name"]
    with pytest.raises(ColumnNotFoundError, match="table place has no column 'other'"):
        await visits(select=["a.b.other"])
    with pytest.raises(ColumnNotFoundError, match="table visit has no column 'a'"):
        await visits(select=["a.c.name"])
