"""A parser of the CREATE TABLE statements that SQLite stores (sqlite.org/lang_createtable.html)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.tokens import Token, code_tokens, folded
from deebase.errors import InvalidOperationError

_TABLE_CLAUSES = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
#: The bare words that end the type of a column.
_COLUMN_CLAUSES = {
    *("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE"),
    *("REFERENCES", "AS", "GENERATED", "DEFERRABLE"),
}


@dataclass(frozen=True)
class Clause:
    """A constraint of a column or of the table.

    Attributes:
        kind: "PRIMARY KEY", "NOT NULL", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES",
            "FOREIGN KEY", "GENERATED", "DEFERRABLE", or "" for a name without a constraint.
        tokens: all of its tokens, from CONSTRAINT on if it has a name.
        columns: the columns of a PRIMARY KEY, UNIQUE or FOREIGN KEY of the table.
        parent: the name of the table that a foreign key references.
    """

    kind: str
    tokens: tuple[Token, ...]
    columns: tuple[str, ...] = ()
    parent: Token | None = None

    @property
    def start(self) -> int:
        """Its place in the text."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.tokens[-1].end

    def mentions(self, name: str) -> bool:
        """Whether it contains a name."""
        return any(token.means(name) for token in self.tokens) or folded(name) in map(folded, self.columns)


@dataclass(frozen=True)
class ColumnText:
    """A column: its name, the tokens of its type, its constraints."""

    token: Token
    type: tuple[Token, ...]
    clauses: tuple[Clause, ...]

    @property
    def name(self) -> str:
        """The name."""
        return self.token.name

    @property
    def start(self) -> int:
        """Its place in the text."""
        return self.token.start

    @property
    def type_end(self) -> int:
        """Where its type ends, or its name if it has none."""
        return self.type[-1].end if self.type else self.token.end

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.clauses[-1].end if self.clauses else self.type_end

    def of(self, *kinds: str) -> list[Clause]:
        """Return its constraints of these kinds."""
        return [clause for clause in self.clauses if clause.kind in kinds]


@dataclass(frozen=True)
class TableText:
    """A CREATE TABLE.

    Attributes:
        sql: the whole text.
        token: the token that names the table.
        columns: in order.
        constraints: the constraints of the table.
        commas: the places of the commas after columns and constraints.
        options: the words after the closing parenthesis.
    """

    sql: str
    token: Token
    columns: tuple[ColumnText, ...]
    constraints: tuple[Clause, ...]
    commas: tuple[int, ...]
    options: tuple[str, ...]

    @property
    def strict(self) -> bool:
        """Whether it is a STRICT table."""
        return "STRICT" in self.options

    @property
    def without_rowid(self) -> bool:
        """Whether it is a WITHOUT ROWID table."""
        return "WITHOUT" in self.options

    @property
    def body_end(self) -> int:
        """Where the last column or constraint ends."""
        return max(part.end for part in self.parts)

    @property
    def parts(self) -> tuple[ColumnText | Clause, ...]:
        """Columns and constraints, in this order."""
        return (*self.columns, *self.constraints)

    def column(self, name: str) -> ColumnText:
        """Return a column by its name."""
        return next(column for column in self.columns if folded(column.name) == folded(name))

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key, in order."""
        for column in self.columns:
            if column.of("PRIMARY KEY"):
                return (column.name,)
        return next((clause.columns for clause in self.constraints if clause.kind == "PRIMARY KEY"), ())

    @property
    def rowid_column(self) -> str | None:
        """The column that is another name of the rowid, if any (sqlite.org/lang_createtable.html#rowid)."""
        key = self.key
        if len(key) != 1 or self.without_rowid:
            return None
        column = self.column(key[0])
        written = " ".join([token.name for token in column.type]).upper()
        # INTEGER PRIMARY KEY DESC is not: a quirk that the documentation names.
        descends = any(token.word == "DESC" for clause in column.of("PRIMARY KEY") for token in clause.tokens)
        return column.name if written == "INTEGER" and not descends else None


def parse(sql: str) -> TableText:
    """Parse a stored CREATE TABLE.

    Raises:
        InvalidOperationError: it is a virtual table.
    """
    return _Parser(sql).table()


@lru_cache(maxsize=1000)
def collations(sql: str) -> Mapping[str, str]:
    """Return the collations of the columns in a stored CREATE TABLE, by their folded names.

    Empty for a virtual table, and for a text that cannot be parsed.
    """
    if "collate" not in sql.lower():
        return {}
    try:
        columns = parse(sql).columns
    except (InvalidOperationError, IndexError, StopIteration):
        return {}
    return {
        folded(column.name): clause.tokens[-1].name.upper() for column in columns for clause in column.of("COLLATE")
    }


class _Parser:
    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = code_tokens(sql, SQLITE)
        self.place = 0
        self.commas: list[int] = []

    # -- tokens --------------------------------------------------------------------------------

    def word(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.tokens[place].word if place < len(self.tokens) else ""

    def mark(self, text: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].text == text

    def take(self) -> Token:
        token = self.tokens[self.place]
        self.place += 1
        return token

    def take_words(self, *words: str) -> None:
        """Take those of these words that follow, in this order."""
        for word in words:
            if self.word() == word:
                self.place += 1

    def group(self) -> Sequence[Token]:
        """Take a group in parentheses, and return what it contains."""
        first, depth = self.place + 1, 0
        while True:
            text = self.take().text
            depth += {"(": 1, ")": -1}.get(text, 0)
            if depth == 0:
                return self.tokens[first : self.place - 1]

    def names(self) -> tuple[str, ...]:
        """Take a list of columns in parentheses; COLLATE, ASC and DESC may follow each name."""
        found: list[str] = []
        starts = True
        for token in self.group():
            if starts:
                found.append(token.name)
            starts = token.text == ","
        return tuple(found)

    # -- parts ---------------------------------------------------------------------------------

    def table(self) -> TableText:
        self.take_words("CREATE", "TABLE")
        if self.word() == "VIRTUAL":
            raise InvalidOperationError("a virtual table has no columns of its own to change", operation="transform")
        token = self.take()
        self.take()
        columns: list[ColumnText] = []
        constraints: list[Clause] = []
        while not self.mark(")"):
            if self.mark(","):
                self.commas.append(self.take().start)
            elif columns and self.word() in _TABLE_CLAUSES:
                constraints.append(self.table_clause())
            else:
                columns.append(self.column())
        self.take()
        options = tuple([token.word for token in self.tokens[self.place :] if token.word])
        return TableText(self.sql, token, tuple(columns), tuple(constraints), tuple(self.commas), options)

    def column(self) -> ColumnText:
        name = self.take()
        first = self.place
        while self._in_type():
            if self.mark("("):
                self.group()
            else:
                self.take()
        kind = tuple(self.tokens[first : self.place])
        clauses: list[Clause] = []
        while not self.mark(",") and not self.mark(")"):
            clauses.append(self.column_clause())
        return ColumnText(name, kind, tuple(clauses))

    def _in_type(self) -> bool:
        if self.mark("("):
            return True
        token = self.tokens[self.place]
        return token.kind in ("quoted", "string") or (token.kind == "word" and token.word not in _COLUMN_CLAUSES)

    def column_clause(self) -> Clause:
        first = self.place
        if self.word() == "CONSTRAINT":
            self.place += 2
        word = self.word()
        if word not in _COLUMN_CLAUSES or word == "CONSTRAINT":
            # A name without a constraint is allowed, and this token may belong to the next one.
            self.place = max(self.place, first + 1)
            return Clause("", tuple(self.tokens[first : self.place]))
        kind, parent = self._column_constraint(word)
        return Clause(kind, tuple(self.tokens[first : self.place]), parent=parent)

    def _column_constraint(self, word: str) -> tuple[str, Token | None]:
        negated = word == "NOT"
        self.place += 2 if negated else 1
        if word == "DEFERRABLE" or (negated and self.tokens[self.place - 1].word == "DEFERRABLE"):
            self._initially()
            return "DEFERRABLE", None
        if word == "PRIMARY":
            self.take_words("KEY", "ASC", "DESC")
            self._on_conflict()
            self.take_words("AUTOINCREMENT")
            return "PRIMARY KEY", None
        if word in ("CHECK", "AS", "GENERATED"):
            self.take_words("ALWAYS", "AS")
            self.group()
            self.take_words("STORED", "VIRTUAL")
            self._on_conflict()
            return ("CHECK" if word == "CHECK" else "GENERATED"), None
        if word == "REFERENCES":
            return word, self._references()
        if word == "DEFAULT":
            self._default()
        elif word == "COLLATE":
            self.take()
        self._on_conflict()
        return ("NOT NULL" if negated else word), None

    def _default(self) -> None:
        if self.mark("("):
            self.group()
            return
        while self.mark("+") or self.mark("-"):
            self.take()
        self.take()

    def _on_conflict(self) -> None:
        if self.word() == "ON" and self.word(1) == "CONFLICT":
            self.place += 3

    def _references(self) -> Token:
        """Take the table, columns and actions that follow REFERENCES."""
        parent = self.take()
        if self.mark("("):
            self.group()
        while True:
            word = self.word()
            if word == "ON" and self.word(1) != "CONFLICT":
                self.place += 2
                self.place += 2 if self.word() in ("SET", "NO") else 1
            elif word == "MATCH":
                self.place += 2
            elif word == "DEFERRABLE" or (word == "NOT" and self.word(1) == "DEFERRABLE"):
                self.take_words("NOT", "DEFERRABLE")
                self._initially()
            else:
                return parent

    def _initially(self) -> None:
        self.take_words("INITIALLY", "DEFERRED", "IMMEDIATE")

    def table_clause(self) -> Clause:
        first = self.place
        if self.word() == "CONSTRAINT":
            self.place += 2
        word = self.word()
        columns: tuple[str, ...] = ()
        parent: Token | None = None
        if word == "CHECK":
            self.place += 1
            self.group()
        elif word in ("PRIMARY", "UNIQUE", "FOREIGN"):
            self.place += 1
            self.take_words("KEY")
            columns = self.names()
            if word == "FOREIGN":
                self.take_words("REFERENCES")
                parent = self._references()
        kind = {"PRIMARY": "PRIMARY KEY", "FOREIGN": "FOREIGN KEY", "CONSTRAINT": ""}.get(word, word)
        self._on_conflict()
        known = kind in ("PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY")
        return Clause(kind if known else "", tuple(self.tokens[first : self.place]), columns, parent)
