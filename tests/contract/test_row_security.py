"""Secured tables: a program that acts for one tenant never sees or writes the rows of another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deebase import ColumnNotFoundError, Database, InvalidOperationError, NotFoundError, ScopeError, ValidationError
from deebase._sqltext.capabilities import Capabilities
from tests.support.templates import tstring
from tests.support.tenants import THEIRS, Tenants, tenants


@pytest.fixture
async def world(db: Database) -> AsyncIterator[Tenants]:
    async with tenants(db) as made:
        yield made


async def titles(w: Tenants) -> list[str]:
    return [row["title"] for row in await w.docs(order_by="id")]


async def test_only_the_rows_of_the_tenant_are_seen_and_written(world: Tenants) -> None:
    docs, before = world.docs, await world.stored()
    assert docs.secure == ("tenant",)
    async with world.db.acting(tenant=7):
        assert await titles(world) == ["mine 1", "mine 3"]
        assert await docs.count() == 2
        with pytest.raises(NotFoundError):
            await docs.get(2)
        made = await docs.insert(title="mine too", n=5)
        assert made["tenant"] == 7
        assert await docs.insert_all([{"title": "mine a", "n": 6}, {"title": "mine b", "n": 7}]) == 2
        with pytest.raises(ScopeError):
            await docs.insert(title="x", n=0, tenant=8)
        with pytest.raises(ScopeError):
            await docs.insert_all([{"title": "x", "n": 0, "tenant": 8}])
        with pytest.raises(ScopeError):
            await docs.update({"id": 1, "tenant": 8})
        with pytest.raises(NotFoundError):
            await docs.update({"id": 2, "title": "taken"})
        assert await docs.update_where({"title": "mine"}, all=True) == 5
        await world.notes.delete_where(all=True)
        assert await docs.delete_where(all=True) == 5
    assert await world.stored() == before


async def test_nobody_sees_no_row_and_inserts_none(world: Tenants) -> None:
    assert await titles(world) == []
    assert await world.docs.get(1, default=None) is None
    with pytest.raises(ScopeError, match="no tenant is set"):
        await world.docs.insert(title="x", n=0, tenant=7)
    with pytest.raises(ScopeError, match="no tenant is set"):
        await world.docs.insert_all([{"title": "x", "n": 0, "tenant": 7}] * 3)
    assert await world.docs.delete_where(all=True) == 0
    async with world.db.acting(region=7):
        assert await titles(world) == []


async def test_a_handle_with_the_column_in_its_scope_acts_by_itself(world: Tenants) -> None:
    mine, theirs = world.docs.xtra(tenant=7), world.docs.xtra(tenant=8)
    reads = [handle.get(key, default=None) for key in (1, 2, 3, 4) for handle in (mine, theirs)]
    found = await asyncio.gather(*reads)
    assert [row is None or row["title"].startswith(THEIRS) == (row["tenant"] == 8) for row in found] == [True] * 8
    assert [row is None for row in found] == [False, True, True, False] * 2
    assert (await mine.insert(title="more", n=1))["tenant"] == 7
    assert await mine.insert_all([{"title": "even", "n": 1}, {"title": "most", "n": 1}]) == 2
    assert [row["title"] async for row in theirs(order_by="id").stream()] == ["theirs 2", "theirs 4"]
    async with world.db.acting(tenant=7):
        assert await mine.count() == 5
        with pytest.raises(ScopeError):
            await theirs()
    assert await titles(world) == []


async def test_nested_blocks_add_columns_and_never_change_a_value(world: Tenants) -> None:
    async with world.db.acting(tenant=7):
        async with world.db.acting(tenant=7, region="north"):
            assert len(await titles(world)) == 2
        with pytest.raises(ScopeError, match="another tenant"):
            async with world.db.acting(tenant=8):
                pass
        async with asyncio.TaskGroup() as group:
            inside = group.create_task(titles(world))
    assert inside.result() == ["mine 1", "mine 3"]


async def test_tenants_interleave_on_one_connection(world: Tenants) -> None:
    async def act(tenant: int) -> set[int]:
        found: set[int] = set()
        async with world.db.acting(tenant=tenant):
            for n in range(20):
                if n % 3 == 0:
                    async with world.db.transaction():
                        found |= {row["tenant"] for row in await world.docs()}
                found |= {row["tenant"] for row in await world.docs()}
                found |= {row["tenant"] for key in (1, 2) if (row := await world.docs.get(key, default=None))}
        return found

    results = await asyncio.gather(*(act(7 + n % 2) for n in range(8)))
    assert results == [{7 + n % 2} for n in range(8)]


async def test_a_transaction_may_span_tenants(world: Tenants) -> None:
    async with world.db.transaction():
        async with world.db.acting(tenant=7):
            assert await titles(world) == ["mine 1", "mine 3"]
            try:
                async with world.db.transaction():
                    await world.docs.insert(title="gone", n=1)
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
        assert await titles(world) == []
        async with world.db.acting(tenant=8):
            try:
                async with world.db.transaction():
                    assert await titles(world) == ["theirs 2", "theirs 4"]
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
            assert await titles(world) == ["theirs 2", "theirs 4"]
    async with world.db.acting(tenant=7):
        assert await titles(world) == ["mine 1", "mine 3"]


# A database in memory has one connection, which the stream holds.
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_stream_stays_with_its_tenant(world: Tenants) -> None:
    async with world.db.acting(tenant=7):
        stream = aiter(world.docs(order_by="id").stream())
        seen = [(await anext(stream))["title"]]
    async with world.db.acting(tenant=8):
        assert await titles(world) == ["theirs 2", "theirs 4"]
        seen += [row["title"] async for row in stream]
    assert seen == ["mine 1", "mine 3"]


async def test_relations_of_other_tables_lead_to_no_row_of_another_tenant(
    world: Tenants, capabilities: Capabilities
) -> None:
    async with world.db.acting(tenant=7):
        notes = await world.notes(order_by="id")
        parents = [await world.notes.fk.doc_id(note) for note in notes]
        assert [parent and parent["title"] for parent in parents] == ["mine 1", None]
        if capabilities.secures_rows:
            rows = await world.notes(select=["id", "doc_id.title"], order_by="id")
            assert [row["doc_id.title"] for row in rows] == ["mine 1", None]
        else:
            with pytest.raises(InvalidOperationError, match="secured"):
                await world.notes(select=["id", "doc_id.title"])
        rows = await world.docs(select=["id", "folder_id.name"], order_by="id")
        assert [row["folder_id.name"] for row in rows] == ["mine", None]


async def test_sql_text_sees_the_rows_of_the_tenant_or_is_refused(world: Tenants, capabilities: Capabilities) -> None:
    await world.owner.create_view("all_docs", "SELECT id, title FROM doc")
    texts = (
        "SELECT title FROM doc",
        "select title from DOC",
        'SELECT d.title FROM "doc" AS d',
        "WITH x AS (SELECT * FROM doc) SELECT title FROM x",
        "SELECT (SELECT max(title) FROM doc) AS title",
    )
    async with world.db.acting(tenant=7):
        for text in texts:
            if capabilities.secures_rows:
                assert THEIRS not in repr(await world.db.q(text))
                assert THEIRS not in repr(await world.db.q(tstring("SELECT title FROM {docs}", docs=world.docs)))
            else:
                with pytest.raises(InvalidOperationError, match="secured"):
                    await world.db.q(text)
        if not capabilities.secures_rows:
            for text in ("SELECT title FROM all_docs", "UPDATE doc SET title = 'x'", "DELETE FROM [doc]"):
                with pytest.raises(InvalidOperationError, match="secured"):
                    await world.db.q(text)
            with pytest.raises(InvalidOperationError, match="secured"):
                await world.db.v.all_docs()
            for condition in ("id IN (SELECT doc.id FROM doc)", "id IN doc", "exists (select 1 from all_docs)"):
                for given in (condition, tstring(condition)):
                    with pytest.raises(InvalidOperationError, match="secured"):
                        await world.notes(given)
                    with pytest.raises(InvalidOperationError, match="secured"):
                        await world.notes.count(where=given)
            with pytest.raises(InvalidOperationError, match="secured"):
                await world.db.q(tstring("SELECT title FROM {docs}", docs=world.docs))
    await world.owner.v.all_docs.drop()


@pytest.mark.parametrize("value", [None, "", True, 1.5, [7], b"7", "a\0b"])
async def test_only_plain_values_can_be_acted_for(db: Database, value: object) -> None:
    with pytest.raises(ValidationError):
        db.acting(tenant=value)


async def test_acting_for_nobody_is_refused(db: Database) -> None:
    with pytest.raises(ValidationError):
        db.acting()


async def test_only_columns_of_comparable_types_secure_rows(db: Database) -> None:
    class Bad:
        id: int
        price: float
        data: dict[str, int]

    for given in ("price", "data", "absent", 5, []):
        with pytest.raises((ValidationError, ColumnNotFoundError), match=r"secure|absent"):
            await db.create(Bad, secure=given)  # type: ignore[arg-type]


async def test_security_is_changed_by_transform_and_kept_by_other_changes(db: Database) -> None:
    docs = await db.create(type("Plain", (), {"__annotations__": {"id": int, "tenant": int, "title": str}}))
    assert docs.secure == ()
    docs = await docs.transform(secure="tenant")
    assert docs.secure == ("tenant",)
    docs = await docs.transform(rename={"title": "name"})
    assert docs.secure == ("tenant",)
    for wrong in ({"drop": "tenant"}, {"rename": {"tenant": "t"}}, {"types": {"tenant": str}}):
        with pytest.raises(InvalidOperationError, match="secured"):
            await docs.transform(**wrong)  # type: ignore[arg-type]
    copy = await docs.duplicate("copied")
    assert copy.secure == ("tenant",)
    docs = await docs.rename("renamed")
    await docs.add_column("more", str | None)
    await db.reflect()
    assert db.t.renamed.secure == db.t.copied.secure == ("tenant",)
    assert (await db.t.renamed.transform(secure=None)).secure == ()


async def test_classes_say_what_secures_their_rows(db: Database) -> None:
    class Owned:
        __secure__ = ("tenant", "region")
        id: int
        tenant: int
        region: str

    (owned,) = await db.create_all(Owned)
    assert owned.secure == ("tenant", "region")
    assert db.bind(Owned).secure == ("tenant", "region")
    with pytest.warns(UserWarning, match="secured by"):
        await db.create(Owned, secure="tenant", if_not_exists=True)
    assert (await db.create(Owned, secure="tenant", transform=True)).secure == ("tenant",)
