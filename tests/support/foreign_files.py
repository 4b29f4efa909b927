"""SQLite files as other programs write them: their habits, in schemas of our own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: A browser's history: keys that are not the first column, partial and covering indexes, triggers, text of any length.
HISTORY = """
CREATE TABLE visited_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, host LONGVARCHAR,
    visits INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, score INTEGER DEFAULT -1 NOT NULL, guid TEXT,
    url_hash INTEGER DEFAULT 0 NOT NULL, origin_id INTEGER REFERENCES origins (id));
CREATE TABLE origins (id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, host TEXT NOT NULL, UNIQUE (prefix, host));
CREATE TABLE visits (id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER, kind INTEGER);
CREATE TABLE bookmarks (id INTEGER PRIMARY KEY, type INTEGER, fk INTEGER DEFAULT NULL, parent INTEGER, position INTEGER,
    title LONGVARCHAR, dateAdded INTEGER, guid TEXT);
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE annos (id INTEGER PRIMARY KEY, content LONGVARCHAR, flags INTEGER DEFAULT 0, mime VARCHAR(32));
CREATE UNIQUE INDEX by_guid ON visited_places (guid);
CREATE INDEX shown ON visited_places (host, score) WHERE hidden = 0;
CREATE INDEX by_lower ON visited_places (lower(title));
CREATE TRIGGER count_visits AFTER INSERT ON visits BEGIN
    UPDATE visited_places SET visits = visits + 1 WHERE id = NEW.place_id; END;
INSERT INTO origins VALUES (1, 'https://', 'example.org');
INSERT INTO visited_places VALUES (1, 'https://example.org/' || printf('%.*c', 4000, 'q'), NULL, 'gro.elpmaxe.', 3, 0,
    2000, 'aaaa', 47358327123, 1),
    (2, 'place:sort=8', 'Most visited', NULL, 0, 1, -1, 'bbbb', -9223372036854775808, NULL);
INSERT INTO visits VALUES (1, 0, 1, 1700000000000000, 1), (2, 1, 1, 1700000001000000, 1);
INSERT INTO bookmarks VALUES (1, 2, NULL, 0, 0, '', 1, 'root________'), (2, 1, 1, 1, 0, 'x', 1, 'c');
INSERT INTO meta VALUES ('origin_sum', 1.5), ('blob', x'00ff'), ('text', 'a');
"""
#: Flash cards: a collation that only the program has, fields in one text, JSON in text, keys of several columns.
CARDS = """
CREATE TABLE col (id INTEGER PRIMARY KEY, crt INTEGER NOT NULL, conf TEXT NOT NULL, models TEXT NOT NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, guid TEXT NOT NULL, mid INTEGER NOT NULL, tags TEXT NOT NULL,
    flds TEXT NOT NULL, sfld INTEGER NOT NULL, csum INTEGER NOT NULL);
CREATE TABLE cards (id INTEGER PRIMARY KEY, nid INTEGER NOT NULL, did INTEGER NOT NULL, due INTEGER NOT NULL);
CREATE TABLE tags (tag TEXT NOT NULL PRIMARY KEY COLLATE unicase, usn INTEGER NOT NULL, shut BOOLEAN) WITHOUT ROWID;
CREATE TABLE decks (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL COLLATE unicase, kind BLOB NOT NULL);
CREATE TABLE fields (ntid INTEGER NOT NULL, ord INTEGER NOT NULL, name TEXT NOT NULL COLLATE unicase, config BLOB,
    PRIMARY KEY (ntid, ord)) WITHOUT ROWID;
CREATE TABLE graves (oid INTEGER NOT NULL, type INTEGER NOT NULL, usn INTEGER NOT NULL, PRIMARY KEY (oid, type));
CREATE UNIQUE INDEX decks_by_name ON decks (name);
INSERT INTO col VALUES (1, 1, '{"a": 1}', '');
INSERT INTO notes VALUES (1, 'g', 1, ' x y ', 'front' || char(31) || '<b>back</b>', 'text in an integer', 5);
INSERT INTO cards VALUES (1, 1, 1, 0), (2, 99, 1, 0);
INSERT INTO decks VALUES (1, 'Default' || char(31) || 'sub', x'0a00');
INSERT INTO fields VALUES (1, 0, 'Front', x'00');
INSERT INTO tags VALUES ('x', 0, 0);
"""
#: A recorder of states: hashes in BLOBs, moments as numbers, foreign keys to itself and to what was purged.
RECORDER = """
CREATE TABLE states_meta (metadata_id INTEGER NOT NULL, entity_id VARCHAR(255), PRIMARY KEY (metadata_id));
CREATE TABLE state_attributes (attributes_id INTEGER NOT NULL, hash BIGINT, shared_attrs TEXT,
    PRIMARY KEY (attributes_id));
CREATE TABLE states (state_id INTEGER NOT NULL, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0),
    last_changed DATETIME, last_updated_ts FLOAT, old_state_id INTEGER, attributes_id INTEGER, context_id_bin BLOB,
    metadata_id INTEGER, PRIMARY KEY (state_id), FOREIGN KEY (old_state_id) REFERENCES states (state_id),
    FOREIGN KEY (attributes_id) REFERENCES state_attributes (attributes_id),
    FOREIGN KEY (metadata_id) REFERENCES states_meta (metadata_id));
CREATE TABLE statistics_runs (run_id INTEGER NOT NULL, start DATETIME NOT NULL, PRIMARY KEY (run_id));
CREATE TABLE schema_changes (change_id INTEGER NOT NULL, schema_version INTEGER, changed DATETIME,
    PRIMARY KEY (change_id));
INSERT INTO states_meta VALUES (1, 'sensor.outside'), (2, NULL);
INSERT INTO state_attributes VALUES (1, 4294967295, '{"unit": "°C", "deep": {"a": [1, 2]}}');
INSERT INTO states VALUES (1, NULL, 'unavailable', NULL, NULL, 1700000000.123456, NULL, 1, x'0190aabbccddeeff', 1),
    (2, '', '21.5', '', '2024-01-01 10:00:00.123456', 1.7e9, 1, 77, NULL, 1),
    (3, NULL, NULL, NULL, '', NULL, 99, NULL, x'', 3);
INSERT INTO statistics_runs VALUES (1, '2024-01-01 00:00:00'), (2, 'never');
"""
#: A shop: names with spaces, quotes and reserved words, keys of texts, a table without rows, views of views.
SHOP = """
CREATE TABLE "Order Details" ("Order ID" INTEGER REFERENCES Orders ("Order ID"), "Product's "" Name" TEXT,
    [Unit Price] MONEY DEFAULT 0, `Dis count %` REAL, PRIMARY KEY ("Order ID", "Product's "" Name"));
CREATE TABLE Orders ("Order ID" INTEGER PRIMARY KEY AUTOINCREMENT, "Customer ID" NCHAR(5) REFERENCES Customers,
    "Order Date" DATETIME,
    "select" TEXT, "from" TEXT, "" TEXT);
CREATE TABLE Customers ("Customer ID" NCHAR(5) PRIMARY KEY, "Company Name" NVARCHAR(40) NOT NULL, Picture IMAGE);
CREATE TABLE "empty table" (a, b, c);
CREATE VIEW "Order Sub totals" AS SELECT "Order ID", sum([Unit Price]) AS "Sub Total" FROM "Order Details" GROUP BY 1;
CREATE VIEW "of a view" AS SELECT * FROM "Order Sub totals" WHERE "Sub Total" > 1;
CREATE VIEW broken AS SELECT * FROM no_such_table;
CREATE VIEW foreign_function AS SELECT no_such_function("Order ID") AS f FROM Orders;
CREATE VIEW "same names" AS SELECT a."Order ID", b."Order ID", 1, 1 FROM Orders a, Orders b;
INSERT INTO Customers VALUES ('ALFKI', 'Alfreds', x'151c2f00'), ('', '', NULL), ('a/b?#', 'x', NULL);
INSERT INTO Orders VALUES (10248, 'ALFKI', '1996-07-04 00:00:00.000', 's', 'f', 'e'),
    (10249, 'GONE', '7/4/1996', '', '', NULL);
INSERT INTO "Order Details" VALUES (10248, 'O''Neil "x"', 14, 0.05), (NULL, NULL, 'x', NULL), (NULL, NULL, 1, 1);
"""
#: What else SQLite can store.
CORNERS = """
CREATE TABLE computed (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) STORED, c TEXT AS (a || 'x'), PRIMARY KEY (a));
CREATE TABLE strict_one (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
CREATE VIRTUAL TABLE words3 USING fts3 (body);
CREATE VIRTUAL TABLE words4 USING fts4 (title, body);
CREATE VIRTUAL TABLE words5 USING fts5 (title, body, content='', tokenize='porter');
CREATE VIRTUAL TABLE boxes USING rtree (id, low, high);
CREATE TABLE keyed_by_blob (k BLOB PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE keyed_by_real (k REAL PRIMARY KEY, v);
CREATE TABLE keyed_by_nothing (k PRIMARY KEY, v);
CREATE TABLE infinite (id INTEGER PRIMARY KEY, r REAL, n NUMERIC, d DATE, t TIME, j JSON, u UUID, b BOOLEAN);
CREATE TABLE "a.b" (id INTEGER PRIMARY KEY); CREATE TABLE "x'y" (id INTEGER PRIMARY KEY);
CREATE TABLE "per cent % ; -- /* */" (id INTEGER PRIMARY KEY, "?" TEXT, ":n" TEXT, "$1" TEXT, "%s" TEXT, "{}" TEXT);
CREATE TABLE two_ways (id INTEGER PRIMARY KEY, other INTEGER REFERENCES two_ways (missing), a INTEGER, b INTEGER,
    FOREIGN KEY (a, b) REFERENCES pairs (a, b));
CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
INSERT INTO computed (a) VALUES (1), (2);
INSERT INTO strict_one VALUES (1, 1, 1.5, 't', x'00', 'any'), (2, NULL, NULL, NULL, NULL, x'ff');
INSERT INTO words3 VALUES ('one two'); INSERT INTO words4 VALUES ('one', 'two');
INSERT INTO words5 VALUES ('one', 'two');
INSERT INTO boxes VALUES (1, 0.5, 1.5);
INSERT INTO keyed_by_blob VALUES (x'00', 1), (x'', 2); INSERT INTO keyed_by_real VALUES (1.5, 1), (1e308, 2), (NULL, 3);
INSERT INTO keyed_by_nothing VALUES (1, 'i'), ('1', 't'), (x'31', 'b'), (1.5, 'r'), (NULL, 'n');
INSERT INTO infinite VALUES (1, 9e999, 'NaN', '0000-00-00', '25:61', '{', 'not one', 2),
    (2, -9e999, 1e400, 2460000.5, 86400, 'null', x'00112233445566778899aabbccddeeff', 'yes'),
    (9223372036854775807, 0, 0, '9999-12-31', '', '', '', '');
INSERT INTO "per cent % ; -- /* */" VALUES (1, '?', ':n', '$1', '%s', '{}');
INSERT INTO pairs VALUES (1, 2); INSERT INTO two_ways VALUES (1, 1, 1, 2), (2, 5, 1, NULL);
"""
FILES = {"history": HISTORY, "cards": CARDS, "recorder": RECORDER, "shop": SHOP, "corners": CORNERS}


def write_foreign(path: Path, sql: str) -> None:
    """Write a file as the other program does."""
    connection = sqlite3.connect(path)
    try:
        connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        connection.executescript(sql)
    finally:
        connection.close()
