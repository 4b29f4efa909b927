"""The source of a module with the classes of tables and the function that creates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from deebase._backends.database_tools import DatabaseTools
from deebase._backends.schema_script import SchemaScript
from deebase._model.facts import TableInfo
from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import code_tokens, folded
from deebase.errors import DeeBaseError
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.creation import Contents
from deebase.tools.codegen.exactness import Exactness
from deebase.tools.codegen.module import Outline
from deebase.tools.codegen.plan import chosen_objects, planned, steps_of_classes
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
    contents = Contents(steps, exactness.reasons, left_out)
    return module_source(marked, localns, title=_TITLE, contents=contents)
