"""``MaxLength``: no text is longer, whoever writes it, and the CHECK that says so on SQLite belongs to the type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from deebase import Database, DataError, IntegrityError, MaxLength, ValidationError
from deebase.tools.codegen import dataclass_src
from tests.support.capabilities import can
from tests.support.migrations import compare, read
from tests.support.modules import imported

#: By the type on PostgreSQL, by a CHECK on SQLite.
TOO_LONG = (DataError, IntegrityError)


@dataclass
class Artist:
    id: int | None
    name: Annotated[str, MaxLength(5)]
    plain: Annotated[str | None, MaxLength(5, check=False)] = None


async def must_refuse(db: Database, table: str, column: str, length: int) -> None:
    quote = db.engine.dialect.identifier_preparer.quote
    for text in ("x" * (length + 1), "é" * (length + 1), "🙂" * (length + 1)):
        with pytest.raises(TOO_LONG):
            await db.q(f"UPDATE {quote(table)} SET {quote(column)} = :text", {"text": text})
        with pytest.raises(ValidationError, match=f"at most {length} characters"):
            await db.t[table].update_where({column: text}, all=True)
    await db.q(f"UPDATE {quote(table)} SET {quote(column)} = :text", {"text": "🙂" * length})


async def test_a_longer_text_is_refused_by_the_database_too(db: Database) -> None:
    artists = await db.create(Artist)
    await artists.insert(name="äöüßé")
    await must_refuse(db, "artist", "name", 5)
    if not can(db).checks_types:
        assert "CHECK (length(name) <= 5)" in artists.schema
        await db.q("UPDATE artist SET plain = 'longer than five'")
        await db.q("UPDATE artist SET plain = NULL")


async def test_a_change_of_the_table_keeps_the_length(db: Database) -> None:
    artists = await db.create(Artist)
    await artists.insert(name="a")
    artists = await artists.add_column("more", Annotated[str | None, MaxLength(3)])
    artists = await artists.rename_column("name", 'full "name"')
    artists = await artists.transform(types={"plain": int | None}, pk="id", not_null={"more": False})
    await must_refuse(db, "artist", 'full "name"', 5)
    await must_refuse(db, "artist", "more", 3)
    artists = await artists.transform(types={'full "name"': Annotated[str, MaxLength(7)]})
    await must_refuse(db, "artist", 'full "name"', 7)
    await db.q("UPDATE artist SET more = NULL")
    with pytest.raises(DataError):
        await artists.transform(types={'full "name"': Annotated[str, MaxLength(2)]})
    artists = await artists.transform(types={'full "name"': str})
    await artists.update(id=1, **{'full "name"': "much longer than seven"})
    await artists.drop_column("more")


async def test_reflection_and_generated_classes_have_the_same_length(db: Database, tmp_path: Path) -> None:
    await db.create(Artist)
    await db.reflect()
    source = dataclass_src(db.t.artist)
    assert "name: Annotated[str, MaxLength(5)]" in source
    assert "CHECK" not in source
    (tmp_path / "artists.py").write_text(source, encoding="utf-8")
    schema = db.t.artist.schema
    before = await read(db)
    await db.t.artist.drop()
    with imported(tmp_path / "artists.py") as module:
        again = await db.create(module.Artist)
        assert again.schema == schema
        assert not list((await compare(db, before)).differences())


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_tables_of_others_stay_as_they_are(db: Database) -> None:
    await db.script(
        "CREATE TABLE artist (id INTEGER NOT NULL, name VARCHAR(5) NOT NULL, plain VARCHAR(5), PRIMARY KEY (id))"
    )
    await db.reflect()
    before, schema = await read(db), db.t.artist.schema
    assert "name: Annotated[str, MaxLength(5, check=False)]" in dataclass_src(db.t.artist)
    db.bind(Artist)
    await db.t.artist.duplicate("artists")
    await db.t.artist.drop()
    await db.create(Artist)
    assert "CHECK" in db.t.artist.schema
    assert "CHECK" not in schema
    await db.t.artists.drop()
    # A table of an earlier version is not said to differ from its class.
    assert not list((await compare(db, before)).differences())
