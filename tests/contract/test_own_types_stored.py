"""Types of a program that decide what each database stores: an integer, and text that sorts by value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest

from deebase import Database, ValidationError, create_mod_from_tables
from deebase.migrations import Migrator
from deebase.tools.copying import copy_database
from deebase.types import ColumnType
from tests.support.modules import imported


@dataclass(frozen=True, order=True)
class Weight:
    grams: int


class WeightType(ColumnType[Weight], python=Weight):
    sqlite = "WEIGHT INTEGER"
    postgres = "BIGINT"
    wanted = "a weight"
    example = "1.5 kg"
    zero = Weight(0)

    def parse(self, text: str) -> Weight:
        number, unit = text.split()
        if unit != "kg":
            raise ValueError
        return Weight(int(Decimal(number) * 1000))

    def format(self, value: Weight) -> str:
        return f"{Decimal(value.grams) / 1000} kg"

    def to_sqlite(self) -> Any:
        return lambda value: value.grams

    def from_sqlite(self) -> Any:
        return Weight

    to_postgres, from_postgres = to_sqlite, from_sqlite


@dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int = 0


class VersionType(ColumnType[Version], python=Version):
    postgres = "VARCHAR(20)"
    wanted = "a version"
    example = "1.10"

    def parse(self, text: str) -> Version:
        return Version(*map(int, text.split(".")))

    def format(self, value: Version) -> str:
        return f"{value.major}.{value.minor}"

    def to_sqlite(self) -> Any:
        return lambda value: f"{value.major:05}.{value.minor:05}"

    def from_sqlite(self) -> Any:
        return self.parse

    to_postgres, from_postgres = to_sqlite, from_sqlite


@dataclass
class Extra:
    net: Weight
    since: Version | None = None


@dataclass
class Parcel:
    id: int | None
    weight: Weight
    version: Version
    spare: Weight | None = None
    least: Weight = Weight(100)
    first: Version = Version(1, 2)
    extra: Extra | None = None
    all: list[Version] | None = None


class Keyed:
    version: Version
    weight: Weight


VERSIONS = [Version(1, 10), Version(1, 9), Version(10, 0), Version(2, 0), Version(1, 2)]


def parcel(number: int, version: Version) -> Parcel:
    return Parcel(None, Weight(number), version, extra=Extra(Weight(5), Version(3)), all=[version])


@pytest.fixture
async def parcels(db: Database) -> Any:
    made = await db.create(Parcel, indexes=["version"])
    await made.insert_all([parcel(number, version) for number, version in enumerate(VERSIONS)])
    return made


async def test_values_are_compared_and_sorted_by_value(parcels: Any) -> None:
    first = await parcels.get(1)
    assert first == Parcel(
        1, Weight(0), Version(1, 10), None, Weight(100), Version(1, 2), Extra(Weight(5), Version(3)), [Version(1, 10)]
    )
    c = parcels.c
    assert [row.version for row in await parcels(order_by="version")] == sorted(VERSIONS)
    assert [row.version for row in await parcels(order_by="-version")] == sorted(VERSIONS, reverse=True)
    assert await parcels.count(c.version > Version(1, 9)) == 3
    assert await parcels.count(c.weight.between(Weight(1), Weight(3))) == 3
    assert await parcels.count(c.weight.in_([Weight(1), Weight(9)])) == 1
    assert await parcels.count(c.weight.not_in([Weight(1), Weight(9)])) == 4
    assert await parcels.count(weight=[Weight(1), Weight(2)]) == 2
    assert await parcels.count(spare=None) == 5
    assert await parcels(order_by="weight").scalars("weight") == [Weight(n) for n in range(5)]
    with pytest.raises(ValidationError, match=r"parcel\.weight: takes Weight, not int"):
        await parcels(weight=5)
    with pytest.raises(ValidationError, match="takes a weight, not str"):
        await parcels(c.weight == "0.1 kg")


async def test_pages(parcels: Any) -> None:
    page = await parcels.page(size=2, order_by=["-version", "weight"])
    seen = list(page.rows)
    while page.next is not None:
        page = await parcels.page(size=2, order_by=["-version", "weight"], after=page.next)
        seen += page.rows
    assert [row.version for row in seen] == sorted(VERSIONS, reverse=True)


async def test_keys_and_upserts(db: Database) -> None:
    keyed = await db.create(Keyed, pk="version")
    await keyed.insert(version=Version(1), weight=Weight(1))
    await keyed.upsert(version=Version(1), weight=Weight(2))
    assert (await keyed.get(Version(1)))["weight"] == Weight(2)
    assert await keyed[Version(1)]
    assert await keyed.count(version=[Version(1), Version(2)]) == 1
    await keyed.delete(Version(1))


@pytest.mark.parametrize("name", ["parcels.csv", "parcels.json", "parcels.ndjson"])
async def test_files(db: Database, parcels: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    await parcels.export_file(path)
    assert "0.001 kg" in path.read_text()
    before = await parcels()
    await parcels.delete_where(all=True)
    await db.import_file(path, "parcel")
    assert await parcels() == before


@dataclass
class Short:
    id: int
    version: Version


async def test_rows_as_another_class(parcels: Any) -> None:
    rows = await parcels.rows_as(Short)(order_by="id", limit=2)
    assert rows == [Short(1, Version(1, 10)), Short(2, Version(1, 9))]


async def test_generated_code(db: Database, parcels: Any, tmp_path: Path) -> None:
    path = tmp_path / "tables.py"
    create_mod_from_tables(path, parcels)
    source = path.read_text()
    assert f"from {__name__} import Version, Weight\n" in source
    assert "least: Weight = field(default=Weight(grams=100))" in source
    assert "net: Weight\n" in source
    with imported(path) as module:
        made = await db.create(module.Parcel, name="again")
        row = await made.insert({"weight": Weight(1), "version": Version(2)})
        assert (row.least, row.first) == (Weight(100), Version(1, 2))


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
@pytest.mark.on_a_file
async def test_migrations(db: Database, tmp_path: Path) -> None:
    async def step(title: str, columns: dict[str, Any]) -> str:
        async def models(other: Database) -> None:
            await other.create(type("Shop", (), {"__annotations__": {"id": int, **columns}}))

        migrator = Migrator(db, tmp_path / "migrations", models=models)
        text = (await migrator.new(title)).read_text()
        await migrator.seal()
        await migrator.up()
        return text

    assert "weight: Weight" in await step("a shop", {"weight": Weight})
    await db.q("INSERT INTO shop (weight) VALUES (?)", [Weight(7)])
    assert "default=Weight(grams=0)" in await step("more", {"weight": Weight, "other": Weight})
    assert await db.q("SELECT weight, other FROM shop") == [{"weight": 7, "other": 0}]
    columns = {"weight": Weight, "other": Weight, "since": Version | None}
    assert 'add_column("since", Version | None)' in await step("versions", columns)
    await db.q("UPDATE shop SET since = ?", [Version(1, 2)])
    assert await db.q("SELECT since FROM shop") == [{"since": "00001.00002"}]


async def test_copies(db: Database, parcels: Any, tmp_path: Path, postgres_url: str) -> None:
    async with Database(tmp_path / "copy.db") as target, Database(postgres_url) as server:
        before = await parcels()
        await copy_database(db, target)
        if str(db.engine.url) != str(server.engine.url):
            await copy_database(target, server)
            made = await server.create(Parcel, if_not_exists=True)
            assert await made() == before
        made = await target.create(Parcel, if_not_exists=True)
        assert await made() == before


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_reflected(db: Database, parcels: Any, db_url: str, backend_name: str) -> None:
    before = await parcels()
    async with Database(db_url) as other:
        await other.reflect()
        found = await other.t.parcel.get(1)
        # PostgreSQL stores no name: without the class, a column is of the type that it was declared with.
        named = (Weight(0), Version(1, 10)) if backend_name == "sqlite-file" else (0, "00001.00010")
        assert (found["weight"], found["version"]) == named
        assert await (await other.create(Parcel, if_not_exists=True))() == before


class Spelled(ColumnType[str], name="spelled"):
    """Text that files hold in another form than records; an annotation has to name it."""

    classes = (str,)

    def parse(self, text: str) -> str:
        return text.replace("-", "")

    def format(self, value: str) -> str:
        return "-".join(value)


@dataclass
class Nested:
    word: Annotated[str, Spelled()]


@dataclass
class Word:
    id: int | None
    word: Annotated[str, Spelled()]
    nested: Nested
    weights: list[Weight]
    versions: dict[str, Version]


@pytest.mark.parametrize("name", ["word.csv", "word.json"])
async def test_types_that_an_annotation_names(db: Database, tmp_path: Path, name: str) -> None:
    words = await db.create(Word)
    row = await words.insert(Word(None, "abc", Nested("de"), [Weight(1)], {"a": Version(1, 2)}))
    assert row == Word(1, "abc", Nested("de"), [Weight(1)], {"a": Version(1, 2)})
    await words.export_file(tmp_path / name)
    text = (tmp_path / name).read_text()
    assert "a-b-c" in text
    assert "d-e" in text
    await words.delete_where(all=True)
    await db.import_file(tmp_path / name, "word")
    assert await words() == [row]
    create_mod_from_tables(tmp_path / "tables.py", words)
    assert (tmp_path / "tables.py").read_text().count("word: Annotated[str, Spelled()]\n") == 2


class Shade:
    """A class that is neither a dataclass nor made from its text."""

    def __init__(self, *, level: int) -> None:
        self.level = level


class ShadeType(ColumnType[Shade], python=Shade):
    example = "3"

    def parse(self, text: str) -> Shade:
        return Shade(level=int(text))

    def format(self, value: Shade) -> str:
        return str(value.level)


class Wall:
    id: int
    shade: Shade = Shade(level=3)


async def test_a_default_that_cannot_be_written_is_refused(db: Database, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"(?s)cannot be written as source code.*define ShadeType\.source"):
        create_mod_from_tables(tmp_path / "tables.py", await db.create(Wall))
