"""`deebase memory`: SQL over files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.support.commands import Commands


@pytest.fixture
def files(directory: Path) -> Path:
    """Files of several formats."""
    (directory / "orders.csv").write_text("id;city_id;price\n1;1;1,50\n2;1;2\n3;2;4\n")
    (directory / "City Names.json.gz").write_bytes(
        gzip.compress(b'[{"id": 1, "name": "Bonn"}, {"id": 2, "name": "K"}]')
    )
    (directory / "sub").mkdir()
    (directory / "sub" / "orders.csv").write_text("id\n9\n")
    return directory


def test_sql_over_files(nowhere: Commands, files: Path) -> None:
    join = (
        "SELECT c.name, sum(o.price) AS total FROM orders o JOIN city_names c ON c.id = o.city_id GROUP BY 1 ORDER BY 1"
    )
    found = nowhere.ok("memory", "orders.csv", "City Names.json.gz", join, "--decimal", ",")
    assert found == [{"name": "Bonn", "total": 3.5}, {"name": "K", "total": 4.0}]
    assert (
        nowhere.ok("memory", "orders.csv", "SELECT id FROM orders WHERE id = :id", "-p", "id=2", "-o", "csv")
        == "id\n2\n"
    )
    assert nowhere.ok("memory", "-", "SELECT a FROM stdin", stdin='{"a": [1]}\n') == [{"a": "[1]"}]
    two = nowhere.run("memory", "orders.csv", "sub/orders.csv", "SELECT o.id, t.id AS other FROM orders o, orders_2 t")
    assert "sub/orders.csv is the table orders_2." in two.stderr
    assert '"other": 9' in two.stdout
    assert sorted(path.name for path in files.iterdir()) == ["City Names.json.gz", "orders.csv", "sub"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["orders.csv"], 2, "Pass one or more files, then SQL"),
        ([], 2, "Pass one or more files, then SQL"),
        (["gone.csv", "SELECT 1"], 1, "gone.csv"),
        (["orders.csv", "SELECT * FROM order"], 1, "order"),
        (["orders.csv", "DELETE FROM orders"], 1, "read"),
        (["orders.csv", "ATTACH 'new.db' AS x"], 1, "read"),
    ],
)
def test_what_cannot_be_asked(nowhere: Commands, files: Path, arguments: list[str], code: int, message: str) -> None:
    assert message in nowhere.fails("memory", *arguments, code=code)
    assert not (files / "new.db").exists()
