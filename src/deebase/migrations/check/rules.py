"""The rules of lint: what each finds, and what to do instead.

To add one: define it here; yield ``hazard(...)`` of it in ``hazards_sql.of_statement`` (for an action of ALTER TABLE in
``hazards_alter``, for a call of the API in ``hazards_python``); describe it in docs/migration-rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """A rule.

    Attributes:
        id: its number, which never changes: "M402".
        name: a short name, which begins its section of the docs.
        text: what it finds.
        advice: what to do instead.
        destructive: whether rows or values are lost.
        concerns_locks: whether it matters only where changes of tables make other sessions wait.
    """

    id: str
    name: str
    text: str
    advice: str
    destructive: bool = False
    concerns_locks: bool = False


def _lock(number: str, name: str, text: str, advice: str) -> Rule:
    return Rule(number, name, text, advice, concerns_locks=True)


DROP_TABLE = Rule(
    *("M101", "drop-table", "drops a table with its rows"),
    "keep a backup, and drop it when no program uses it any more",
    destructive=True,
)
DROP_COLUMN = Rule(
    *("M102", "drop-column", "drops a column with its values"),
    "deploy programs without it first, keep a backup, and drop it then",
    destructive=True,
)
DELETE_ROWS = Rule(
    *("M103", "delete-rows", "deletes all rows"), "give a condition, if not all rows are meant", destructive=True
)

ADD_NOT_NULL = Rule(
    "M201",
    "add-not-null",
    "adds a column that is never NULL and has no default: it fails where the table has rows",
    "give a default; or add it as nullable, fill it, and set NOT NULL in a later migration",
)
SET_NOT_NULL = Rule(
    "M202",
    "set-not-null",
    "has a column refuse NULL: it fails where one is stored, and reads all rows under a lock",
    "fill the column in a migration before; on a large table add CHECK (... IS NOT NULL) NOT VALID, validate it, then"
    " set NOT NULL, which needs no scan any more",
)

RENAME = Rule(
    "M301",
    "rename",
    "renames what running programs know by the old name",
    "stop them first; or add the new one, copy the values, and drop the old one in a later deployment",
)
DROP_VIEW = Rule(
    "M302", "drop-view", "drops a view that running programs may read", "CREATE OR REPLACE VIEW, or drop it later"
)
ALTER_TYPE = _lock(
    "M303",
    "alter-type",
    "changes a type that columns use and running programs know",
    "only add: ALTER TYPE ... ADD VALUE in a migration before the program that writes it; a value that is added cannot"
    " be used in the same transaction",
)
POLICY = Rule(
    "M304",
    "policy",
    "drops or changes a policy of row security: other rows can be read and written from then on, or none",
    "create the new policy first, and test both with the role of the program",
)
DROP_ROUTINE = Rule(
    "M305",
    "drop-routine",
    "drops a function or a procedure that running programs may call",
    "CREATE OR REPLACE where the parameters and the result stay; or drop it in a later deployment",
)
REWRITE_RULE = Rule(
    "M306",
    "rewrite-rule",
    "creates or drops a rule: statements of running programs do something else from then on",
    "test them before; a trigger is easier to reason about than a rule",
)

CHANGE_TYPE = _lock(
    "M401",
    "change-type",
    "changes the type of a column: the table is rewritten, and no other session can read it meanwhile",
    "add a column of the new type, copy the values in chunks, then exchange the two",
)
INDEX = _lock(
    "M402",
    "create-index",
    "creates an index while no other session can write to the table",
    "CREATE INDEX CONCURRENTLY in a file that says -- not transactional",
)
FOREIGN_KEY = _lock(
    "M403",
    "add-foreign-key",
    "adds a foreign key, which reads all rows while no other session can write to both tables",
    "ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT in a later migration",
)
ADD_CHECK = _lock(
    "M404",
    "add-check",
    "adds a CHECK, which reads all rows while no other session can read or write",
    "ADD CONSTRAINT ... CHECK (...) NOT VALID, and VALIDATE CONSTRAINT in a later migration",
)
VALIDATE_AT_ONCE = _lock(
    "M405",
    "validate-at-once",
    "validates a constraint in the transaction that adds it: the strong lock is held while all rows are read",
    "VALIDATE CONSTRAINT in a migration of its own",
)
ADD_UNIQUE = _lock(
    "M406",
    "add-unique",
    "adds a UNIQUE constraint, whose index is built while no other session can read or write",
    "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX",
)
ADD_PRIMARY_KEY = _lock(
    "M407",
    "add-primary-key",
    "adds a primary key, whose index is built while no other session can read or write",
    "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... PRIMARY KEY USING INDEX",
)
ADD_EXCLUDE = _lock(
    "M408",
    "add-exclude",
    "adds an EXCLUDE constraint, whose index is built while no other session can read or write",
    "create the table with it; no index can be built for it beforehand, so choose a time without traffic",
)
ADD_REFERENCE = _lock(
    "M409",
    "add-column-references",
    "adds a column with a foreign key, which locks both tables",
    "add the column, then ADD CONSTRAINT ... FOREIGN KEY ... NOT VALID, and VALIDATE CONSTRAINT in a later migration",
)
VOLATILE_DEFAULT = _lock(
    "M410",
    "add-volatile-default",
    "adds a column whose default is computed for each row: the table is rewritten under a lock",
    "add the column without a default, SET DEFAULT, and fill old rows in chunks",
)
ADD_SERIAL = _lock(
    "M411",
    "add-serial",
    "adds a serial column: the table is rewritten under a lock",
    "add an integer column, create the sequence, SET DEFAULT nextval(...), and fill old rows in chunks",
)
ADD_IDENTITY = _lock(
    "M412",
    "add-identity",
    "adds an identity column: the table is rewritten under a lock",
    "add an integer column, fill old rows in chunks, then ADD GENERATED ... AS IDENTITY",
)
ADD_STORED = _lock(
    "M413",
    "add-stored-generated",
    "adds a stored generated column: the table is rewritten under a lock",
    "add a plain column that a trigger keeps, and fill old rows in chunks; or a virtual one, from PostgreSQL 18 on",
)
DROP_INDEX = _lock(
    "M414",
    "drop-index",
    "drops an index while no other session can read or write the table",
    "DROP INDEX CONCURRENTLY in a file that says -- not transactional",
)
REINDEX = _lock(
    "M415",
    "reindex",
    "rebuilds an index while no other session can write to the table",
    "REINDEX ... CONCURRENTLY in a file that says -- not transactional",
)
REWRITE = _lock(
    "M416",
    "rewrite-table",
    "rewrites the table while no other session can read or write it",
    "choose a time without traffic; pg_repack rewrites a table that stays in use",
)
SET_LOGGED = _lock(
    "M417",
    "set-logged",
    "rewrites the table to make it logged or unlogged; an unlogged one is emptied by a crash",
    "create another table, copy the rows in chunks, and exchange the two",
)
SET_TABLESPACE = _lock(
    "M418",
    "set-tablespace",
    "moves the table to other storage while no other session can read or write it",
    "choose a time without traffic; pg_repack moves a table that stays in use",
)
LOCK_TABLE = _lock(
    "M419",
    "lock-table",
    "locks a table until the migration ends",
    "let the statements take their own locks; SELECT ... FOR UPDATE locks rows",
)
REFRESH = _lock(
    "M420",
    "refresh-view",
    "refreshes a materialized view while no other session can read it",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index",
)
TRIGGER = _lock(
    "M421",
    "create-trigger",
    "creates, changes or drops a trigger under a lock, and changes what each later write does",
    "do it in a migration of its own, which holds the lock for a moment only",
)
DISABLE_TRIGGER = _lock(
    "M422",
    "disable-trigger",
    "switches triggers of a table on or off for all sessions; foreign keys are triggers, too",
    "have the trigger skip what the migration does, by its WHEN condition",
)
ROW_SECURITY = _lock(
    "M423",
    "row-security",
    "changes row security: without a policy, other roles see no rows at all",
    "create the policies first, and test them with the role of the program",
)
VACUUM_FULL = _lock(
    "M424",
    "vacuum-full",
    "rewrites the table while no other session can read or write it",
    "VACUUM without FULL; pg_repack where the space has to be given back",
)
ATTACH_PARTITION = _lock(
    "M425",
    "attach-partition",
    "attaches or detaches a partition under a lock, and reads its rows",
    "add a CHECK like the bounds of the partition beforehand; DETACH PARTITION ... CONCURRENTLY",
)

NO_COLUMN_WORD = Rule(
    "M501",
    "add-without-column",
    "leaves out the word COLUMN, so that ADD may mean a constraint",
    "ADD COLUMN name type",
)
SEVERAL_ACTIONS = _lock(
    "M502",
    "several-actions",
    "has several actions in one ALTER TABLE: all of them run under the strongest lock, for as long as the slowest",
    "one statement for each, and one migration for those that read or rewrite rows",
)
ROWS_BESIDE_SCHEMA = _lock(
    "M503",
    "rows-beside-schema",
    "changes all rows in the transaction that changes the schema: its locks are held until the last row is done",
    "change the schema in one migration, and the rows in another, in chunks",
)
CONCURRENTLY_INSIDE = _lock(
    "M504",
    "concurrently-inside",
    "runs CONCURRENTLY inside a transaction, where it fails",
    "a migration of its own that says -- not transactional (transactional = False in Python)",
)
NO_LOCK_TIMEOUT = _lock(
    "M505",
    "no-lock-timeout",
    "waits for a lock without a limit, and all later sessions wait after it",
    "SET LOCAL lock_timeout = '5s', or Database(..., lock_timeout=5)",
)

#: All rules, in the order of their numbers.
RULES: Final = tuple([rule for rule in globals().values() if isinstance(rule, Rule)])


@dataclass(frozen=True)
class Hazard:
    """Something in a migration to check before it is applied.

    Attributes:
        rule: the number of its rule: "M102"; the docs have a section for each.
        text: the description of the hazard.
        table: the table; None if the text of the migration does not show it.
        column: the column, if it is about one.
        line: the line of the file; None in a file of SQL.
        destructive: whether rows or values are lost.
        rows: how many this database would lose, if they were counted.
        advice: what to do instead.
    """

    rule: str
    text: str
    table: str | None = None
    column: str | None = None
    line: int | None = None
    destructive: bool = False
    rows: int | None = None
    advice: str = ""

    def __str__(self) -> str:
        what = ".".join([name for name in (self.table, self.column) if name is not None])
        place = "" if self.line is None else f" (line {self.line})"
        count = "" if self.rows is None else f", {self.rows} here"
        return f"{self.rule} {f'{what}: ' if what else ''}{self.text}{count}{place}"


def hazard(rule: Rule, table: str | None, column: str | None = None, line: int | None = None) -> Hazard:
    """Return a finding of a rule."""
    return Hazard(rule.id, rule.text, table, column, line, rule.destructive, advice=rule.advice)
