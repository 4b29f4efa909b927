"""The source of a module with the classes of tables and the function that creates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.database_tools import DatabaseTools
from deebase._backends.schema_script import SchemaScript
from deebase._model.design import TableSpec, sa_tables
from deebase._model.facts import TableInfo
from deebase._model.reflected import sa_table
from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import code_tokens, folded
from deebase.errors import DeeBaseError
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.creation import Contents
from deebase.tools.codegen.module import Outline
from deebase.tools.codegen.module_steps import chosen_objects, planned, steps_of_classes
from deebase.tools.codegen.source import module_source

_TITLE = "Tables, and the function that creates them."


def table_module(
    tables: Sequence[tuple[TableModel, TableInfo | None]],
    dialect: Dialect,
    *,
    script: SchemaScript | None,
    tools: DatabaseTools,
    whole: bool = False,
    localns: Mapping[str, Any] | None = None,
) -> tuple[str, list[str]]:
    """Return the text of a module, and notes on what it leaves out.

    Args:
        tables: the tables and views, each with its facts if it was reflected.
        dialect: their database.
        script: the objects of the database with their SQL; None if they are not known.
        tools: of the database.
        whole: the module creates everything in the script; otherwise the objects of the tables, and those they need.
        localns: the names that annotations as text may use.
    """
    readers: dict[str, TableReader] = {}
    outlines: list[Outline] = []
    left_out: list[str] = []
    for model, facts in tables:
        reader = readers[model.name] = TableReader(model, facts, dialect)
        try:
            outlines.append(reader.outline())
        except DeeBaseError as error:
            left_out.append(f"a class for {model.name}: {error.message}")
    if script is None:
        designs = [made.design for made in outlines if made.design is not None]
        contents = Contents(steps_of_classes(designs), left_out=left_out)
        return module_source(outlines, localns, title=_TITLE, contents=contents)
    exactness = Exactness(readers, script, tools, dialect)
    compared = exactness.compared(outlines)
    objects = script.objects
    if not whole:
        rules = capabilities_of(dialect).tokens
        objects = tuple(
            chosen_objects(objects, set(readers), lambda sql: {folded(token.name) for token in code_tokens(sql, rules)})
        )
    else:
        left_out += script.not_carried
    marked, steps = planned(compared, objects, exactness.covered)
    contents = Contents(steps, exactness.reasons, left_out, capabilities_of(dialect).name)
    return module_source(marked, localns, title=_TITLE, contents=contents)


_DIFFERS = "how its columns and constraints are declared"


class Exactness:
    """Compares the tables that classes make with those of a script.

    Args:
        readers: the tables, by name.
        script: the objects of the database.
        tools: of the database.
        dialect: the database.
    """

    def __init__(
        self, readers: Mapping[str, TableReader], script: SchemaScript, tools: DatabaseTools, dialect: Dialect
    ) -> None:
        self._readers = readers
        self._tools = tools
        self._dialect = dialect
        self._objects = {(item.kind, item.name): item for item in script.objects}
        self._tables = {item.name for item in script.objects if item.table is None}
        #: The objects that the class of a table creates, by table; a table is missing if it is created by its SQL.
        self.covered: dict[str, list[tuple[str, str]]] = {}
        #: What a class does not express, by table.
        self.reasons: dict[str, list[str]] = {}

    def compared(self, outlines: Sequence[Outline]) -> list[Outline]:
        """Return the outlines with the designs of ``create``, and fill ``covered`` and ``reasons``."""
        result = [self._with_reasons(made) for made in outlines]
        designs = [made.design for made in result if made.design is not None]
        drawn = self._drawn(designs)
        return [made if made.design is None else self._compared(made, drawn[made.table]) for made in result]

    def _with_reasons(self, made: Outline) -> Outline:
        """Return the outline, without a design if something is known that the class does not express."""
        reasons = [note for note in made.notes if note not in made.index_notes]
        if made.design is not None and self._readers[made.table].facts is None:
            reasons.append("a table that was not reflected")
        elif made.design is not None and not reasons and not self._reaches_its_targets(made.design):
            reasons.append("a foreign key to a table or column that does not exist")
        if reasons:
            self.reasons[made.table] = reasons
        # What the class lacks is in the SQL.
        kept = replace(made, notes=(), index_notes=()) if made.table in self._tables else made
        return replace(kept, design=None) if reasons else kept

    def _reaches_its_targets(self, design: TableSpec) -> bool:
        for reference in design.references:
            target = self._readers.get(reference.table)
            if target is None or not set(reference.targets or ()) <= set(target.model.names):
                return False
        return True

    def _drawn(self, designs: Sequence[TableSpec]) -> dict[str, sa.Table]:
        """Build the tables of designs, and those that they refer to."""
        metadata = sa.MetaData()
        targets = {reference.table for design in designs for reference in design.references}
        for name in targets - {design.name for design in designs}:
            facts: TableInfo | None = self._readers[name].facts
            if facts is not None:
                sa_table(facts, metadata, self._dialect, {})
        return sa_tables(designs, metadata, self._dialect)

    def _compared(self, made: Outline, drawn: sa.Table) -> Outline:
        facts = self._readers[made.table].facts
        assert facts is not None
        found = self._tools.recreation(drawn, facts, self._objects, self._dialect)
        names = {name for kind, name in found.other if kind == "index"}
        if len(names) < len(found.other):
            return self._by_sql(made, _DIFFERS)
        if names:
            # Other statements create these indexes.
            again = self._readers[made.table].outline(without=names)
            assert again.design is not None
            found = self._tools.recreation(self._drawn([again.design])[made.table], facts, self._objects, self._dialect)
            if found.other:
                return self._by_sql(made, f"how its indexes are declared: {', '.join(sorted(names))}")
            made = replace(made, design=again.design)
        self.covered[made.table] = found.same
        return made

    def _by_sql(self, made: Outline, reason: str) -> Outline:
        self.reasons[made.table] = [reason]
        return replace(made, design=None)
