"""Random schemas as SQL text, with everything that other programs put into one, and a few rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

#: Names that need quotes somewhere: as identifiers of SQL, or as attributes of Python.
NAMES = ("item", "Order", "_hidden", "class", "two words", "naïve", "select", "a-b", "x.y")
COLUMNS = ("a", "B", "_c", "from", "def", "g h", "größe", "i%j")


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Kind:
    """A type of a column.

    Attributes:
        sql: as it is declared.
        values: literals of it.
        default: an expression, or None.
        index: how an index of the column is written, with {} for the column; None for none.
    """

    sql: str
    values: tuple[str, ...]
    default: str | None = None
    index: str | None = "({})"


@dataclass
class Made:
    """A table that was made.

    Attributes:
        name: its quoted name.
        key: the quoted column of its key and its type, if it has one of one column that others can refer to.
        columns: quoted name and kind of its further columns.
        rows: the number of its rows.
    """

    name: str
    key: tuple[str, Kind] | None
    columns: list[tuple[str, Kind]] = field(default_factory=list)
    rows: int = 0


SQLITE_KINDS = (
    Kind("INTEGER", ("1", "-9", "NULL"), "7"),
    Kind("integer", ("0", "123456789012"), "(1 + 2)"),
    Kind("nvarchar(40)", ("'x'", "'é'", "NULL"), "'it''s'"),
    Kind("varchar(10)", ("'abc'",), "NULL"),
    Kind("TEXT COLLATE NOCASE", ("'Ab'", "'c'"), None),
    Kind("TEXT", ("''", "'long text'"), "CURRENT_TIMESTAMP"),
    Kind("REAL", ("1.5", "-0.25", "NULL"), "0.5"),
    Kind("NUMERIC(10,2)", ("2", "3.25", "NULL"), "0"),
    Kind("DECIMAL", ("10.5", "7"), None),
    Kind("BOOLEAN", ("0", "1"), "1"),
    Kind("datetime", ("'2024-01-02 03:04:05'", "NULL"), None),
    Kind("DATE", ("'2024-02-29'",), None),
    Kind("BLOB", ("x'00ff'", "NULL"), None),
    Kind("", ("'any'", "5", "NULL"), None),
    Kind("smallint unsigned", ("4",), None),
    Kind("GEOMETRY", ("NULL",), None),
    Kind("TEXT COLLATE RTRIM", ("'a '",), "NULL"),
    Kind("double precision", ("1e300", "7"), "-1.5e3"),
    Kind("timestamp", ("1700000000",), "CURRENT_TIMESTAMP"),
)
#: STRICT tables accept these types alone.
STRICT_KINDS = (Kind("INT", ("1",)), Kind("TEXT", ("'t'",), "'d'"), Kind("REAL", ("2.5",)), Kind("BLOB", ("x'01'",)))

POSTGRES_KINDS = (
    Kind("integer", ("1", "-9", "NULL"), "7"),
    Kind("bigint", ("123456789012",), "(1 + 2)"),
    Kind("smallint", ("4",)),
    Kind("varchar(50)", ("'x'", "'é'", "NULL"), "'it''s'"),
    Kind("char(3)", ("'ab'",)),
    Kind("text", ("''", "'long'"), "'d'", "({} text_pattern_ops)"),
    Kind('text COLLATE "C"', ("'b'",)),
    Kind("numeric(10,2)", ("2", "3.25"), "0"),
    Kind("numeric", ("1.10", "NULL")),
    Kind("real", ("1.1",)),
    Kind("double precision", ("0.1",), "0.5"),
    Kind("boolean", ("true", "false"), "true", None),
    Kind("date", ("'2024-02-29'",), "CURRENT_DATE", "USING brin ({})"),
    Kind("timestamp(3)", ("'2024-01-02 03:04:05.678'",)),
    Kind("timestamptz", ("'2024-01-02 03:04:05+00'",), "now()", "({} DESC NULLS LAST)"),
    Kind("time", ("'03:04'",)),
    Kind("interval", ("'1 day'",)),
    Kind("uuid", ("'00000000-0000-0000-0000-000000000001'",), "gen_random_uuid()"),
    Kind("bytea", (r"'\x00ff'",)),
    Kind("jsonb", ("""'{"a": [1]}'""",), "'{}'", "USING gin ({} jsonb_path_ops)"),
    Kind("json", ("""'[1, 2]'""",), None, None),
    Kind("integer[]", ("'{1,2}'",), "'{}'", "USING gin ({})"),
    Kind("text[]", ("""'{a,"b c"}'""",), None, "USING gin ({})"),
    Kind("inet", ("'10.0.0.1'",)),
    Kind("cidr", ("'10.0.0.0/8'",)),
    Kind("macaddr", ("'08:00:2b:01:02:03'",)),
    Kind("tsvector", ("'a b'",), None, "USING gin ({})"),
    Kind("int4range", ("'[1,5)'",), None, "USING gist ({})"),
    Kind("money", ("'1.00'",)),
    Kind("bit(3)", ("B'101'",)),
    Kind("xml", ("NULL",), None, None),
    Kind("point", ("'(1,2)'",), None, None),
    Kind("s_mood", ("'sad'", "'so so'"), "'sad'"),
    Kind("s_short", ("'ab'",)),
    Kind("s_pair", ("'(1,x)'",), None, None),
)
POSTGRES_TYPES = """
    CREATE TYPE s_mood AS ENUM ('sad', 'so so', 'happy');
    CREATE DOMAIN s_short AS text CONSTRAINT s_is_short CHECK (length(VALUE) < 9);
    CREATE TYPE s_pair AS (n integer, t text);
    CREATE FUNCTION s_twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
    CREATE FUNCTION s_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""


class Writer:
    """Writes one schema.

    Args:
        draw: as Hypothesis gives it.
        kinds: types of columns.
    """

    def __init__(self, draw: Callable[[st.SearchStrategy[object]], object], kinds: tuple[Kind, ...]) -> None:
        self._draw = draw
        self._kinds = kinds
        self.lines: list[str] = []
        self.tables: list[Made] = []

    def often(self, n: int = 3) -> bool:
        """Return True in about one case of ``n``, and False in the simplest example."""
        return self._draw(st.integers(0, n - 1)) == n - 1

    def one(self, *values: T) -> T:
        """Return one of the values, the first one in the simplest example."""
        chosen = self._draw(st.sampled_from(range(len(values))))
        assert isinstance(chosen, int)
        return values[chosen]

    def columns(self, kinds: tuple[Kind, ...]) -> list[tuple[str, Kind]]:
        """Return names and kinds of columns."""
        names = self._draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True))
        assert isinstance(names, list)
        return [(quoted(name), self.one(*kinds)) for name in names]

    def names(self) -> list[str]:
        """Return names of tables."""
        names = self._draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
        assert isinstance(names, list)
        return names

    def rows(self, table: Made, columns: list[tuple[str, Kind]], most: int = 2) -> None:
        """Insert a few rows, whose keys differ."""
        table.rows = min(self.one(2, 0, 1), most)
        for number in range(table.rows):
            values = [kind.values[number % len(kind.values)] for _, kind in columns]
            listed = ", ".join(name for name, _ in columns)
            if listed:
                self.lines.append(f"INSERT INTO {table.name} ({listed}) VALUES ({', '.join(values)})")

    def script(self) -> str:
        """Return the whole text."""
        return "".join(f"{line};\n" for line in self.lines)


_INTEGER_KEY = Kind("INTEGER", ("1", "2"))


@st.composite
def sqlite_schemas(draw: Callable[[st.SearchStrategy[object]], object]) -> str:
    """Return the SQL of a SQLite database."""
    make = Writer(draw, SQLITE_KINDS)
    if make.often():
        make.lines += ["PRAGMA user_version = 7", "PRAGMA application_id = 1196444487"]
    for name in make.names():
        _sqlite_table(make, name)
    table = make.tables[0]
    if make.often():
        make.lines.append(f"CREATE VIEW v_first AS SELECT * FROM {table.name}")
    if make.often():
        body = f"SELECT count(*) FROM {table.name};"
        make.lines.append(f"CREATE TRIGGER g_first AFTER UPDATE ON {table.name} BEGIN {body} END")
    if make.often(4):
        make.lines += [
            "CREATE VIRTUAL TABLE search USING fts5(body, tokenize = 'porter')",
            "INSERT INTO search (body) VALUES ('some words')",
        ]
    if make.often(4):
        make.lines.append("CREATE VIRTUAL TABLE places USING rtree(id, low, high)")
    if make.often(4):
        column = table.columns[0][0]
        make.lines += [
            f'CREATE VIEW v_named (one, "two words") AS SELECT {column}, 1 FROM {table.name}',
            "CREATE TRIGGER g_view INSTEAD OF INSERT ON v_named BEGIN SELECT raise(ignore); END",
        ]
    if make.often(4):
        when = f"CREATE TRIGGER g_when BEFORE INSERT ON {table.name} WHEN new.{table.columns[0][0]} IS 77"
        make.lines.append(f"{when} BEGIN SELECT raise(abort, 'no; not this'); END")
    return make.script()


def _sqlite_table(make: Writer, name: str) -> None:
    strict = make.often(5)
    kinds = STRICT_KINDS if strict else SQLITE_KINDS
    table = Made(quoted(name), None, make.columns(kinds))
    key = make.one("INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", "none", "two", "shared")
    parts: list[str] = []
    given: list[tuple[str, Kind]] = []
    parent = next((made for made in make.tables if made.key is not None and made.key[1] is _INTEGER_KEY), None)
    if key == "shared" and parent is not None and parent.key is not None:
        parts.append(f"id INTEGER PRIMARY KEY REFERENCES {parent.name} ({parent.key[0]}) ON DELETE CASCADE")
        given = [("id", _INTEGER_KEY)]
    elif key.startswith("INTEGER"):
        parts.append(f"id {key}")
        given, table.key = [("id", _INTEGER_KEY)], ("id", _INTEGER_KEY)
    elif key == "TEXT":
        parts.append("id TEXT NOT NULL PRIMARY KEY")
        given = [("id", Kind("TEXT", ("'k1'", "'k2'")))]
    elif key == "two":
        parts += ["k1 INTEGER NOT NULL", "k2 INTEGER NOT NULL"]
        given = [("k1", _INTEGER_KEY), ("k2", _INTEGER_KEY)]
    for column, kind in table.columns:
        parts.append(_sqlite_column(make, column, kind))
    column = table.columns[0][0]
    if make.often(4):
        parts.append(f"x INTEGER GENERATED ALWAYS AS (length({column})) {make.one('VIRTUAL', 'STORED')}")
    if key == "two":
        parts.append(make.one("PRIMARY KEY (k1, k2)", 'CONSTRAINT "pk named" PRIMARY KEY (k1, k2)'))
    if make.often(4):
        parts.append(f"CONSTRAINT c_some CHECK ({column} IS NULL OR length({column}) >= 0)")
    if parent is not None and make.often(2):
        clause = make.one("", "ON UPDATE CASCADE ON DELETE SET NULL", "DEFERRABLE INITIALLY DEFERRED")
        parts.insert(len(given), f"parent INTEGER REFERENCES {parent.name} (id) {clause}")
    if make.often(6):
        parts.insert(len(given), "lost INTEGER REFERENCES missing (id)")
    options = [*(["STRICT"] if strict else [])]
    if key in ("two", "TEXT") and make.often():
        options.append("WITHOUT ROWID")
    make.lines.append(f"CREATE TABLE {table.name} ({', '.join(parts)}) {', '.join(options)}")
    if make.often(2):
        unique = make.one("", "UNIQUE")
        ending = make.one(
            f"({column})",
            f"({column} DESC)",
            f"(lower({column}))",
            f"({column}) WHERE {column} > 0",
            f"({column} COLLATE NOCASE)",
        )
        unique = unique if ending == f"({column})" and key != "none" else ""
        make.lines.append(f"CREATE {unique} INDEX {quoted(f'ix {name}')} ON {table.name} {ending}")
    make.tables.append(table)
    # Values repeat, which a unique index would refuse.
    if not make.lines[-1].startswith("CREATE UNIQUE"):
        make.rows(table, [*given, *table.columns])


def _sqlite_column(make: Writer, column: str, kind: Kind) -> str:
    parts = [column, kind.sql]
    if "NULL" not in kind.values and make.often():
        parts.append("NOT NULL")
    if kind.default is not None and make.often(2):
        parts.append(f"DEFAULT {kind.default}")
    return " ".join(parts)


_BIG_KEY = Kind("bigint", ("1", "2"))


@st.composite
def postgres_schemas(draw: Callable[[st.SearchStrategy[object]], object]) -> str:
    """Return the SQL of a PostgreSQL database."""
    make = Writer(draw, POSTGRES_KINDS)
    make.lines.append(POSTGRES_TYPES.strip().rstrip(";"))
    for extension in ("citext", "pg_trgm", "btree_gist"):
        if make.often(4):
            make.lines.append(f"CREATE EXTENSION {extension}")
    schema = "public"
    if make.often(4):
        make.lines.append("CREATE SCHEMA other")
        schema = "other"
    for number, name in enumerate(make.names()):
        _postgres_table(make, name, schema if number else "public")
    _postgres_extras(make)
    return make.script()


def _postgres_table(make: Writer, name: str, schema: str) -> None:
    table = Made(f"{schema}.{quoted(name)}" if schema != "public" else quoted(name), None, make.columns(POSTGRES_KINDS))
    parts: list[str] = []
    given: list[tuple[str, Kind]] = []
    key = make.one(
        "serial", "identity", "always", "plain", "text", "none", "two", "shared", "partitioned", "deferrable"
    )
    parent = next((made for made in make.tables if made.key is not None), None)
    declared = {
        "serial": "id serial PRIMARY KEY",
        "identity": "id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "always": "id integer GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 2) PRIMARY KEY",
        "plain": "id integer PRIMARY KEY",
        "text": "id varchar(20) PRIMARY KEY",
        "two": "k1 integer NOT NULL, k2 integer NOT NULL",
        "partitioned": "id bigint NOT NULL",
        "deferrable": f"id bigint CONSTRAINT {quoted(f'key {name}')} PRIMARY KEY DEFERRABLE INITIALLY DEFERRED",
    }
    if key in declared:
        parts.append(declared[key])
    if key in ("serial", "identity", "plain"):
        given, table.key = [("id", _BIG_KEY)], ("id", _BIG_KEY)
    elif key == "text":
        given = [("id", Kind("varchar(20)", ("'k1'", "'k2'")))]
    elif key == "two":
        given = [("k1", _BIG_KEY), ("k2", _BIG_KEY)]
    elif key in ("partitioned", "deferrable"):
        given = [("id", _BIG_KEY)]
    elif key == "shared" and parent is not None:
        parts.append(f"id bigint PRIMARY KEY REFERENCES {parent.name} (id) ON DELETE CASCADE")
        given = [("id", _BIG_KEY)]
    parts += [_postgres_column(make, column, kind) for column, kind in table.columns]
    column, kind = table.columns[0]
    parts += ["PRIMARY KEY (k1, k2)"] if key == "two" else []
    parts += ["n integer", "computed integer GENERATED ALWAYS AS (n * 2) STORED"] if make.often(4) else []
    if key == "none" and make.often():
        parts.append(f"w integer, CONSTRAINT {quoted(f'w_unique {name}')} UNIQUE NULLS NOT DISTINCT (w)")
    parts += [f"CONSTRAINT {quoted(f'c {name}')} CHECK ({column} IS NULL OR true)"] if make.often(3) else []
    if key != "partitioned" and make.often(5):
        parts.append("span int4range, EXCLUDE USING gist (span WITH &&)")
    if parent is not None and key != "shared" and make.often(2):
        clause = make.one(
            "",
            "ON UPDATE CASCADE",
            "ON DELETE SET NULL",
            "MATCH FULL",
            "DEFERRABLE INITIALLY DEFERRED",
            "ON DELETE SET DEFAULT ON UPDATE SET NULL DEFERRABLE",
        )
        parts.append(f"parent bigint REFERENCES {parent.name} (id) {clause}")
    unlogged = "UNLOGGED " if parent is None and key == "none" and make.often() else ""
    ending = " PARTITION BY RANGE (id)" if key == "partitioned" else " WITH (fillfactor=70)" if make.often(4) else ""
    make.lines.append(f"CREATE {unlogged}TABLE {table.name} ({', '.join(parts)}){ending}")
    if key == "partitioned":
        make.lines.append(f"CREATE TABLE {quoted(f'{name} p1')} PARTITION OF {table.name} FOR VALUES FROM (0) TO (10)")
        make.lines.append(f"CREATE TABLE {quoted(f'{name} rest')} PARTITION OF {table.name} DEFAULT")
    if kind.index is not None and make.often(2):
        where = make.one("", f" WHERE {column} IS NOT NULL")
        make.lines.append(f"CREATE INDEX {quoted(f'ix {name}')} ON {table.name} {kind.index.format(column)}{where}")
    make.tables.append(table)
    if not any("w_unique" in part for part in parts):
        # The keys of a table that shares those of its parent are the first ones of the parent.
        make.rows(table, [*given, *table.columns], parent.rows if key == "shared" and parent is not None else 2)


def _postgres_column(make: Writer, column: str, kind: Kind) -> str:
    parts = [column, kind.sql]
    if "NULL" not in kind.values and make.often():
        parts.append("NOT NULL")
    if kind.default is not None and make.often(2):
        parts.append(f"DEFAULT {kind.default}")
    return " ".join(parts)


def _postgres_extras(make: Writer) -> None:
    table = make.tables[0]
    column, kind = table.columns[0]
    extras = (
        [f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY", f"CREATE POLICY own ON {table.name} USING (true)"],
        [f"CREATE TRIGGER g BEFORE UPDATE ON {table.name} FOR EACH ROW EXECUTE FUNCTION s_touch()"],
        [f"COMMENT ON TABLE {table.name} IS 'it''s a table'", f"COMMENT ON COLUMN {table.name}.{column} IS 'a column'"],
        [f"CREATE VIEW v WITH (security_barrier = true) AS SELECT {column} FROM {table.name}"],
        [f"CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM {table.name}", "CREATE UNIQUE INDEX m_n ON m (n)"],
        ["CREATE SEQUENCE loose START WITH 5", f"ALTER TABLE {table.name} ADD number integer DEFAULT nextval('loose')"],
        [f"CREATE RULE quiet AS ON DELETE TO {table.name} WHERE false DO INSTEAD NOTHING"],
        [f"ALTER TABLE {table.name} REPLICA IDENTITY FULL"],
        [f"ALTER TABLE {table.name} ADD q integer, ADD r integer", f"CREATE STATISTICS st ON q, r FROM {table.name}"],
        [f"ALTER TABLE {table.name} ADD small integer, ADD CHECK (small < 9) NOT VALID"],
        ["CREATE TABLE base (z integer NOT NULL)", "CREATE TABLE derived (y text) INHERITS (base)"],
        ["CREATE TYPE spans AS RANGE (subtype = float8)", "CREATE TABLE with_span (id int PRIMARY KEY, s spans)"],
        ["CREATE TABLE nothing ()"],
        [f"CREATE VIEW i WITH (security_invoker = true) AS SELECT 1 AS one, * FROM {table.name}"],
        [f"CREATE VIEW checked AS SELECT * FROM {table.name} WHERE true WITH CASCADED CHECK OPTION"],
        [
            f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY less ON {table.name} AS RESTRICTIVE FOR UPDATE TO PUBLIC USING (true) WITH CHECK (false)",
        ],
        ["CREATE TABLE wide (a integer, b text, c text, CONSTRAINT wide_key UNIQUE (a) INCLUDE (b, c))"],
        [
            "CREATE TABLE keyed (k integer NOT NULL, v text)",
            "CREATE UNIQUE INDEX keyed_k ON keyed (k)",
            "ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_k",
            "ALTER TABLE keyed ALTER v SET STORAGE EXTERNAL, ALTER v SET STATISTICS 200, ALTER v SET COMPRESSION pglz",
            "ALTER TABLE keyed CLUSTER ON keyed_k",
        ],
        [
            "CREATE TABLE parted (k text NOT NULL, n integer, PRIMARY KEY (k)) PARTITION BY LIST (k)",
            "CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a', 'b') WITH (fillfactor = 50)",
            "CREATE INDEX parted_n ON parted (n)",
            "CREATE TABLE hashed (k integer) PARTITION BY HASH (k)",
            "CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        ],
        [
            "CREATE COLLATION folded (provider = libc, locale = 'C')",
            "CREATE TABLE folding (t text COLLATE folded, UNIQUE (t))",
        ],
        [
            "CREATE DOMAIN positive AS numeric(8, 2) DEFAULT 1 NOT NULL CONSTRAINT is_positive CHECK (VALUE > 0)",
            "CREATE TABLE priced (id int PRIMARY KEY, p positive, many positive[])",
        ],
        [
            "CREATE FUNCTION add_up(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2'",
            "CREATE AGGREGATE joined_up (text) (SFUNC = add_up, STYPE = text, INITCOND = '')",
            "CREATE PROCEDURE nothing_to_do() LANGUAGE sql AS 'SELECT 1'",
            "COMMENT ON FUNCTION add_up(text, text) IS 'adds'",
        ],
        [
            "CREATE TABLE audit (id int GENERATED ALWAYS AS IDENTITY, what text)",
            "CREATE TRIGGER noted AFTER INSERT ON audit REFERENCING NEW TABLE AS made "
            "FOR EACH STATEMENT WHEN (true) EXECUTE FUNCTION s_touch()",
            "CREATE RULE quiet_one AS ON INSERT TO audit WHERE new.what IS NULL DO INSTEAD NOTHING",
        ],
        [
            f"CREATE CONSTRAINT TRIGGER later AFTER INSERT ON {table.name} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION s_touch()",
            f"CREATE TRIGGER off BEFORE DELETE ON {table.name} FOR EACH ROW EXECUTE FUNCTION s_touch()",
            f"ALTER TABLE {table.name} DISABLE TRIGGER off",
        ],
        [f"CREATE INDEX sorted ON {table.name} ({column} DESC NULLS LAST) WITH (fillfactor = 80)"]
        if kind.index is not None
        else [],
        ["CREATE SEQUENCE counted AS smallint INCREMENT BY -1 MINVALUE -9 MAXVALUE 9 START 3 CACHE 5 CYCLE"],
        [f"CREATE INDEX twice ON {table.name} (s_twice(1), ({column} IS NULL)) INCLUDE ({column})"],
    )
    for lines in extras:
        if make.often(4):
            make.lines += lines
