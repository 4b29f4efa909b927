"""What a table says, as a class that ``create`` makes it from again."""

from __future__ import annotations

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.columns import ColumnSpec
from deebase._model.design import TableSpec, design
from deebase._model.facts import TableInfo
from deebase._model.generated_names import comes_with_key, serves
from deebase._model.native_annotations import annotation_of
from deebase._rows.field_columns import attribute_names, is_attribute
from deebase._rows.model import ForeignKeyModel, TableModel
from deebase._sqltext.type_names import same_type
from deebase._types.decimals import ExactNumber
from deebase._types.default_values import NoLiteral, default_sql, value_of
from deebase._types.documents import ANY_DOCUMENT, JSON
from deebase._types.number import Integer
from deebase._types.registry import column_type
from deebase.errors import ValidationError
from deebase.tools.codegen.constraints import checks_of, indexes_of, unsaid
from deebase.tools.codegen.module import Outline
from deebase.tools.codegen.name_use import class_name
from deebase.types import UNSET, ColumnName, ForeignKeyMark, Search


class TableReader:
    """Reads one table.

    Args:
        model: the table.
        facts: what reflection found of it, if it was reflected.
        dialect: its database, None where that is not known.
    """

    def __init__(self, model: TableModel, facts: TableInfo | None = None, dialect: Dialect | None = None) -> None:
        self.model = model
        self.facts = facts
        self.dialect = dialect
        self.notes: list[str] = []
        self.index_notes: list[str] = []
        self._facts = {column.name: column for column in facts.columns} if facts is not None else {}

    def outline(self, without: Collection[str] = ()) -> Outline:
        """Return the class, and the table that it makes.

        Args:
            without: names of indexes that ``create`` does not make, since other statements do.
        """
        model, name = self.model, self.model.sa_table.name
        if model.sa_table.schema is not None:
            self.notes.append(f"the schema, {model.sa_table.schema}")
        made = self._design(name, without) if model.columns else None
        if made is not None:
            self._compare_types(made.columns)
        self.notes += unsaid(model, self.facts)
        if not model.pks:
            self.notes.append(_NO_KEY if model.columns else "a table without columns, which create does not make")
        columns = () if made is None else made.columns
        return Outline(
            wanted=self._class_name(),
            columns=tuple([self._with_factory(spec) for spec in columns]),
            options=(),
            doc=f"A row of {model.name}.",
            nulls=frozenset([spec.name for spec in columns if spec.nullable]),
            design=made if model.pks else None,
            notes=(*self.notes, *self.index_notes),
            index_notes=tuple(self.index_notes),
            table=model.name,
        )

    def _design(self, name: str, without: Collection[str]) -> TableSpec:
        """Return the table as a class makes it; a default that Python cannot express goes to the notes."""
        model = self.model
        keys, composite = self._keys()
        defaults = {column: value for column in model.names if (value := self._default(column)) is not UNSET}
        fields = attribute_names(model.names)
        hints = {
            fields[column]: self._hint(column, fields[column], keys.get(column), defaults.get(column))
            for column in model.names
        }
        found = indexes_of(model.sa_table, self.facts, self.dialect, self.index_notes)
        indexes = [index for index in found if index.name not in without]
        checks = checks_of(model, self.facts)
        # Those that come with foreign keys are not repeated, unless only some of the keys have one.
        others = [index for index in indexes if not comes_with_key(index.name, index.indexed, model.foreign_keys)]
        indexed = [model.pks, *[index.indexed for index in indexes if index.where is None]]
        all_indexed = all(serves(key.columns, indexed) for key in model.foreign_keys)
        while True:
            given = {fields[column]: value for column, value in defaults.items()}
            cls = type(class_name(name), (), {"__annotations__": hints, **given})
            try:
                return design(
                    cls,
                    name=name,
                    pk=list(model.pks) or model.names[0],
                    indexes=others if all_indexed else indexes,
                    foreign_keys=composite,
                    checks=checks,
                    index_foreign_keys=all_indexed,
                    generate_key=not self._gives_key(keys),
                    search=self._search(fields),
                    secure=(self.facts.secure if self.facts is not None else self.model.secure) or None,
                )
            except ValidationError as error:
                if error.field not in defaults:
                    raise
                self._note_default(error.field)
                del defaults[error.field]

    def _search(self, fields: Mapping[str, str]) -> Search | None:
        """Return the search of the table."""
        found = None if self.facts is None else self.facts.search
        return None if found is None else found.search

    def _gives_key(self, keys: Mapping[str, ForeignKeyMark]) -> bool:
        """Whether rows always give the value of a single integer key that refers to no other table."""
        (name, *more) = self.model.pks or ("",)
        found = self._facts.get(name)
        if found is None or more or found.generated or name in keys:
            return False
        return isinstance(column_type(self.model.columns[name].sa_type), Integer)

    def _class_name(self) -> str:
        kind = self.model.row_type
        if kind is dict or not is_attribute(kind.__name__) or kind.__name__.startswith("_"):
            table = self.model.sa_table
            return class_name(table.name if table.schema is None else f"{table.schema}_{table.name}")
        return kind.__name__

    def _with_factory(self, spec: ColumnSpec) -> ColumnSpec:
        factory = self.model.factories.get(spec.name)
        if factory is None or spec.default is not UNSET:
            return spec
        return replace(spec, default_factory=factory)

    # -- columns -------------------------------------------------------------------------------

    def _hint(self, name: str, field: str, mark: ForeignKeyMark | None, default: Any) -> Any:
        """Return the annotation of a column."""
        column = self.model.columns[name]
        hint: Any = annotation_of(column.sa_type, self._facts.get(name), self.dialect)
        if _is_any_document(column.sa_type):
            document: Any = ANY_DOCUMENT
            if default is not UNSET:
                document = list[Any] if isinstance(default, list) else dict[str, Any]
            hint = Annotated[document, *get_args(hint)[1:]] if get_origin(hint) is Annotated else document
        if name == self.model.generated:
            # A key that is None is not given; one that refers to another table always is.
            hint = hint | None if mark is None else hint
        elif (column.nullable and name not in self.model.pks) or column.computed:
            hint = hint | None
        marks = [*([] if mark is None else [mark]), *([] if field == name else [ColumnName(name)])]
        for metadata in marks:
            hint = Annotated[hint, metadata]
        return hint

    def _default(self, name: str) -> Any:
        if self.model.columns[name].computed:
            self.notes.append(f"{name} is computed by the database")
            return UNSET
        sql = self._default_sql(name)
        if sql is None or name == self.model.generated:
            return UNSET
        try:
            kind = self.model.columns[name].sa_type
            value = value_of(sql, ExactNumber() if column_type(kind).annotation is Decimal else kind)
        except NoLiteral:
            self._note_default(name)
            return UNSET
        if _is_any_document(kind) and not isinstance(value, (list, dict, type(None))):
            # JSON of another kind, which the annotation of a document does not allow.
            self._note_default(name)
            return UNSET
        return UNSET if value is None else value

    def _note_default(self, name: str) -> None:
        self.notes.append(f"the default of {name}, {self._default_sql(name)}")

    def _default_sql(self, name: str) -> str | None:
        facts = self._facts.get(name)
        return default_sql(self.model.columns[name].sa_column) if facts is None else facts.default

    def _compare_types(self, columns: tuple[ColumnSpec, ...]) -> None:
        """Note where the table that is made will differ."""
        for spec in columns:
            facts = self._facts.get(spec.name)
            if facts is None or self.dialect is None:
                continue
            wanted = spec.sa_type.compile(dialect=self.dialect)
            if same_type(facts.type) != same_type(wanted):
                self.notes.append(f"{spec.name} is {facts.type or 'of no type'}, and will be {wanted}")
            if facts.generated and spec.name != self.model.generated:
                self.notes.append(f"the values of {spec.name} are made by the database")

    # -- keys ----------------------------------------------------------------------------------

    def _keys(self) -> tuple[dict[str, ForeignKeyMark], dict[str | tuple[str, ...], ForeignKeyMark]]:
        """Return the foreign keys that an annotation can say, and those of several columns; note the others."""
        single: dict[str, ForeignKeyMark] = {}
        composite: dict[str | tuple[str, ...], ForeignKeyMark] = {}
        for key in self.model.foreign_keys:
            mark = self._mark(key)
            if mark is None or key.columns[0] in single or key.columns in composite:
                columns, targets = ", ".join(key.columns), ", ".join(key.targets)
                self.notes.append(f"the foreign key ({columns}) to {key.target} ({targets})")
            elif len(key.columns) == 1:
                single[key.columns[0]] = mark
            else:
                composite[key.columns] = mark
        return single, composite

    def _mark(self, key: ForeignKeyModel) -> ForeignKeyMark | None:
        if len(key.columns) != len(key.targets) or key.schema != self.model.sa_table.schema or "." in key.table:
            return None
        if len(key.columns) > 1:
            return ForeignKeyMark(key.table, key.on_delete, key.on_update, key.targets)
        target = f"{key.table}.{key.targets[0]}"
        return None if "." in key.targets[0] else ForeignKeyMark(target, key.on_delete, key.on_update)


def _is_any_document(kind: sa.types.TypeEngine[Any]) -> bool:
    known = column_type(kind)
    return isinstance(known, JSON) and known.hint is None


_NO_KEY = "a table without a primary key, which create does not make"
