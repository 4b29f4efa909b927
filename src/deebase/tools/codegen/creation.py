"""The function of a module that creates its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deebase._backends.schema_script import SchemaObject
from deebase._model.design import Reference, TableSpec
from deebase._model.generated_names import serves
from deebase._schema.from_sql import WITH_ROWS
from deebase.tools.codegen.class_attributes import foreign_key_source, index_source, name_source
from deebase.tools.codegen.line_layout import Piece, assigned, call, comment, listed, mapped
from deebase.tools.codegen.module import Module, WrittenClass
from deebase.tools.codegen.module_steps import Step
from deebase.tools.codegen.name_use import Names
from deebase.tools.codegen.value_source import quoted
from deebase.types import ForeignKeyMark, Search, snake_case


@dataclass(frozen=True)
class Contents:
    """What a module creates.

    Attributes:
        steps: in their order.
        reasons: what the class of a table does not express, by table.
        left_out: descriptions of what the module does not create.
        dialect: the kind of database that the SQL is for.
    """

    steps: Sequence[Step]
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    left_out: Sequence[str] = ()
    dialect: str = ""


def creation_source(module: Module, contents: Contents) -> tuple[list[str], str]:
    """Return the constants of objects that are created by SQL, and the source of ``create_tables``.

    The function is empty if there is nothing to create.
    """
    classes = {written.outline.table: written for written in module.classes}
    constants: list[str] = []
    calls: list[Piece] = []
    for step in contents.steps:
        if step.tables:
            together = [classes[table] for table in step.tables]
            calls.append(create_call(together, module.names, if_not_exists=_IF_NOT_EXISTS))
            continue
        created: list[Piece] = []
        for item in step.objects:
            name = module.names.define(_constant_name(item))
            rows = classes.get(item.name) if item.table is None and item.kind in WITH_ROWS else None
            why = contents.reasons.get(item.name, ()) if item.kind == "table" else ()
            row_type = None if rows is None else rows.name
            constants.append(_constant_source(name, item, module.names, row_type=row_type, why=why))
            created.append(Piece(name))
        dialect = Piece(quoted(contents.dialect))
        calls.append(call("db.create_from_sql", *created, dialect=dialect, if_not_exists=_IF_NOT_EXISTS))
    if not calls:
        return [], ""
    return constants, _function(module, calls, contents.left_out)


def _function(module: Module, calls: Sequence[Piece], left_out: Sequence[str]) -> str:
    database = module.names.use("deebase", "Database")
    head = [
        f"async def create_tables(db: {database}, *, if_not_exists: bool = False) -> None:",
        '    """Create the tables of this module: all of them, or none."""',
    ]
    without = [
        written.name for written in module.classes if written.outline.design is None and not written.outline.by_sql
    ]
    head += [comment(f"not created here, since it has no primary key: {name}", "    ") for name in without]
    head += [comment(text, "    ", "# not kept: ") for text in left_out]
    if len(calls) == 1:
        return "\n".join([*head, calls[0].after("await ").lines("    ")])
    body = [made.after("await ").lines("        ") for made in calls]
    return "\n".join([*head, "    async with db.transaction():", *body])


_IF_NOT_EXISTS = Piece("if_not_exists")


def create_call(together: Sequence[WrittenClass], names: Names, **more: Piece) -> Piece:
    """Return the call that creates a table, or several that refer to each other.

    Args:
        together: their classes.
        names: of the module.
        **more: further arguments.
    """
    if len(together) == 1:
        return call("db.create", Piece(together[0].name), **_options(together[0], names), **more)
    options = [
        (Piece(written.name), mapped([(Piece(quoted(name)), value) for name, value in given.items()]))
        for written in together
        if (given := _options(written, names))
    ]
    classes = [Piece(written.name) for written in together]
    return call("db.create_all", *classes, **({"options": mapped(options)} if options else {}), **more)


def _options(written: WrittenClass, names: Names) -> dict[str, Piece]:
    """Return the arguments of a table besides its class."""
    design = written.outline.design
    assert design is not None
    options: dict[str, Piece] = {}
    if snake_case(written.name) != design.name:
        options["name"] = Piece(quoted(design.name))
    if design.pks != ("id",):
        keys = [Piece(quoted(name)) for name in design.pks]
        options["pk"] = keys[0] if len(keys) == 1 else listed(keys)
    if design.indexes:
        options["indexes"] = listed([index_source(index, design.name, names) for index in design.indexes])
    composite = [known for known in design.references if len(known.columns) > 1]
    if composite:
        options["foreign_keys"] = mapped(
            [(name_source(known.columns), foreign_key_source(_mark(known), names)) for known in composite]
        )
    if not design.key_indexes and _lacks_index(design):
        options["index_foreign_keys"] = Piece("False")
    if not design.generate_key:
        options["generate_key"] = Piece("False")
    if design.search is not None:
        options["search"] = search_source(design.search, names)
    if design.secure:
        names_of = [Piece(quoted(name)) for name in design.secure]
        options["secure"] = names_of[0] if len(names_of) == 1 else listed(names_of)
    if design.checks:
        options["checks"] = listed([Piece(quoted(condition)) for condition in design.checks])
    if written.defaults:
        options["defaults"] = mapped([(Piece(quoted(name)), value) for name, value in written.defaults.items()])
    return options


def search_source(search: Search, names: Names) -> Piece:
    """Return the argument of ``create`` for a search."""
    columns = [Piece(quoted(name)) for name in search.columns]
    options = search_options(search)
    return call(names.use("deebase", "Search"), *columns, **options) if options else listed(columns)


def search_options(search: Search) -> dict[str, Piece]:
    """Return the options of a search that differ from their defaults."""
    options: dict[str, Piece] = {}
    if search.weights:
        options["weights"] = mapped(
            [(Piece(quoted(name)), Piece(f"{value:g}")) for name, value in search.weights.items()]
        )
    if search.language is not None:
        options["language"] = Piece(quoted(search.language))
    if search.prefix:
        options["prefix"] = Piece("True")
    if search.tokenize != "words":
        options["tokenize"] = Piece(quoted(search.tokenize))
    return options


def _lacks_index(design: TableSpec) -> bool:
    """Whether a foreign key of the table has no index."""
    indexed = [design.pks, *[index.indexed for index in design.indexes if index.where is None]]
    return not all(serves(reference.columns, indexed) for reference in design.references)


def _mark(known: Reference) -> ForeignKeyMark:
    """Return a foreign key of several columns, which has no annotation."""
    return ForeignKeyMark(known.table, known.on_delete, known.on_update, known.targets)


#: The length of a name whose assignment begins on one line, also with a number at its end.
_LONGEST = 60


def _constant_name(item: SchemaObject) -> str:
    """Return the name of a constant: the trigger "film fulltext" is TRIGGER_FILM_FULLTEXT."""
    made = re.sub(r"[\W_]+", "_", f"{item.kind}_{item.name}", flags=re.ASCII).upper().strip("_")
    return made[:_LONGEST].rstrip("_")


def _constant_source(name: str, item: SchemaObject, names: Names, *, row_type: str | None, why: Sequence[str]) -> str:
    """Return the assignment of a constant.

    Args:
        name: its name.
        item: the object.
        names: of the module.
        row_type: the class of the rows of a table or view.
        why: what the class of a table does not express.
    """
    statements = [Piece(_sql_text(statement)) for statement in item.create]
    keywords = {} if row_type is None else {"row_type": Piece(row_type)}
    made = call(
        names.use("deebase", "SchemaSQL"), Piece(quoted(item.kind)), Piece(quoted(item.name)), *statements, **keywords
    )
    reasons = f"SQL, since create() does not make exactly this table: {'; '.join(why)}"
    head = [comment(reasons)] if why else []
    return "\n".join([*head, assigned(name, made)])


def _sql_text(statement: str) -> str:
    """Return a string literal, over several lines if the statement is."""
    lines_only = statement.replace("\n", "").replace("\t", "")
    if "\n" not in statement or not lines_only.isprintable() or '"""' in statement or statement[-1] in '"\\':
        return quoted(statement)
    raw = "r" if "\\" in statement else ""
    start = " " if statement[0] == '"' else ""
    return f'{raw}"""{start}{statement}"""'
