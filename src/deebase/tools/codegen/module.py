"""A module with the classes of tables, and what their annotations need."""

from __future__ import annotations

# Annotations and defaults are objects of any kind.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, get_args

import sqlalchemy as sa

from deebase._model.columns import ColumnSpec
from deebase._model.design import TableSpec
from deebase._model.marks import ClassOptions
from deebase._rows.field_columns import is_attribute
from deebase._types.registry import column_type
from deebase.tools.codegen.annotations import (
    Hints,
    is_defined_here,
    is_made_by_database,
    members_of,
    must_be_importable,
    nested_classes,
)
from deebase.tools.codegen.class_attributes import attribute_lines, class_attributes
from deebase.tools.codegen.line_layout import WIDTH, Piece, assigned, call, comment, docstring, mapped, width
from deebase.tools.codegen.name_use import Names, member_names
from deebase.tools.codegen.value_source import Values, factory_source, quoted
from deebase.types import UNSET, snake_case, table_name


@dataclass(frozen=True)
class Outline:
    """One class to write.

    Attributes:
        wanted: its name, if it is free and an identifier.
        columns: its fields.
        options: the options of its ``@dataclass``; None for a plain class, whose rows are dicts.
        attributes: what the class says of its table besides the fields.
        doc: its docstring.
        nulls: columns whose default is written as None.
        cls: the class that it is written from, if any.
        design: the table that ``create_tables`` creates; None for none.
        notes: the parts of the table that the class and ``create`` cannot express.
        index_notes: those of them that are indexes.
        table: the name of the table in the catalog; "" for a class that is not written from one.
        by_sql: whether the table is created by its SQL.
    """

    wanted: str
    columns: tuple[ColumnSpec, ...]
    options: tuple[str, ...] | None
    doc: str = ""
    nulls: frozenset[str] = frozenset()
    cls: type[Any] | None = None
    design: TableSpec | None = None
    notes: tuple[str, ...] = ()
    index_notes: tuple[str, ...] = ()
    table: str = ""
    by_sql: bool = False
    attributes: ClassOptions = field(default_factory=ClassOptions)


@dataclass
class WrittenClass:
    """A class in the module.

    Attributes:
        name: its name.
        outline: its outline.
        source: its text.
        functions: the source of functions that return its defaults.
        defaults: by column, the calls of those that become a DEFAULT, which a dataclass cannot express.
        notes: what the source leaves out.
    """

    name: str
    outline: Outline
    source: str = ""
    functions: list[str] = field(default_factory=list)
    defaults: dict[str, Piece] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Module:
    """The classes of one module; ``classes`` and ``nested`` hold their source in the order of definition.

    Args:
        outlines: the classes.
        localns: the names that annotations as text may use.
    """

    def __init__(self, outlines: Sequence[Outline], localns: Mapping[str, Any] | None = None) -> None:
        self._localns = localns
        own = [outline.cls for outline in outlines if outline.cls is not None]
        needed = [kind for outline in outlines for spec in outline.columns for kind in self._needed(spec)]
        self._others = [kind for kind in dict.fromkeys(needed) if kind not in own]
        self.names: Names = Names(_field_names(outlines, self._others, localns))
        self._called = {kind: self.names.define(kind.__name__) for kind in self._others}
        self._undefined = set(self._others)
        #: Notes on what the source of nested classes leaves out.
        self.nested_notes: list[str] = []
        # A class that other classes use comes before them.
        ordered = sorted(outlines, key=lambda outline: outline.cls not in needed)
        self.classes: list[WrittenClass] = [
            WrittenClass(self.names.define(outline.wanted), outline) for outline in ordered
        ]
        self._called.update({made.outline.cls: made.name for made in self.classes if made.outline.cls is not None})
        self.hints: Hints = Hints(self.names, self._class)
        self.values: Values = Values(self.names, self._class)
        self.nested: list[str] = [self._nested(kind) for kind in self._others]
        for made in self.classes:
            self._write(made)

    def _needed(self, spec: ColumnSpec) -> Iterator[type[Any]]:
        if column_type(spec.sa_type).defines_classes:
            yield from nested_classes(spec.python_type, self._localns)

    def _class(self, kind: type[Any]) -> str:
        """Return the name of a class in this module, which imports the classes of other modules."""
        if kind in self._called:
            return self._called[kind]
        must_be_importable(kind)
        return self.names.use(kind.__module__, kind.__name__)

    # -- classes that annotations need ---------------------------------------------------------

    def _nested(self, kind: type[Any]) -> str:
        if issubclass(kind, Enum):
            source = self._enum(kind)
        elif typing.is_typeddict(kind):
            source = self._typed_dict(kind)
        else:
            source = self._nested_dataclass(kind)
        self._undefined.discard(kind)
        return source

    def _enum(self, kind: type[Enum]) -> str:
        base = next((known for known in (StrEnum, IntEnum) if issubclass(kind, known)), Enum)
        bases = [self.names.use("enum", base.__name__)]
        if base is Enum:
            mixins: tuple[type[Any], ...] = (str, int, float)
            mixed = [mixin.__name__ for mixin in mixins if issubclass(kind, mixin)]
            bases = [*[self.names.use("builtins", name) for name in mixed], *bases]
        lines = [f"class {self._called[kind]}({', '.join(bases)}):"]
        for member, name in zip(kind, member_names(kind).values(), strict=True):
            if name != member.name:
                lines.append(comment(f"in the program it was written from: {member.name}", "    "))
            lines.append(assigned(name, self.values.source(member.value), "    "))
        return "\n".join(lines)

    def _typed_dict(self, kind: Any) -> str:
        required: frozenset[str] = kind.__required_keys__
        base, name = self.names.use("typing", "TypedDict"), self._called[kind]
        keys: dict[str, Piece] = {}
        for item in members_of(kind, self._localns):
            hint = self._quotable(item.hint)
            keys[item.name] = (
                hint if item.name in required else Piece(f"{self.names.use('typing', 'NotRequired')}[{hint.flat}]")
            )
        if not all(map(is_attribute, keys)):
            pairs = mapped([(Piece(quoted(key)), hint) for key, hint in keys.items()])
            return assigned(name, call(base, Piece(quoted(name)), pairs))
        body = [hint.after(f"{key}: ").lines("    ") for key, hint in keys.items()]
        return "\n".join([f"class {name}({base}):", *(body or ["    pass"])])

    def _quotable(self, hint: Any) -> Piece:
        """Return an annotation, as text if it holds a class that is defined later."""
        written = self.hints.source(hint)
        return Piece(quoted(written.flat)) if self._comes_later(hint) else written

    def _comes_later(self, hint: Any) -> bool:
        return (isinstance(hint, type) and hint in self._undefined) or any(map(self._comes_later, get_args(hint)))

    def _nested_dataclass(self, kind: type[Any]) -> str:
        name = self._called[kind]
        made = WrittenClass(name, Outline(name, (), ()))
        fields: dict[str, tuple[Piece, Piece | None]] = {}
        for item in members_of(kind, self._localns):
            spec = ColumnSpec(item.name, sa.types.NullType(), False, item.default, item.factory)
            default = Piece("None") if item.default is None else self._default(spec, made)
            fields[item.name] = (self._quotable(item.hint), default)
        self.nested_notes += [f"{name}: {note}" for note in made.notes]
        return self._dataclass(name, dataclass_options(kind), fields, _opening("", made.notes))

    # -- classes of tables ---------------------------------------------------------------------

    def _write(self, made: WrittenClass) -> None:
        outline = made.outline
        made.notes += outline.notes
        hostile = [spec.attribute for spec in outline.columns if not is_attribute(spec.attribute)]
        annotations = {spec.attribute: self.hints.column(spec) for spec in outline.columns}
        defaults = {spec.attribute: self._default(spec, made, alone=bool(hostile)) for spec in outline.columns}
        attributes = self._attributes(made)
        if hostile:
            made.source = self._made_by_type(made, annotations, {**attributes, **defaults}, hostile)
            return
        fields = {name: (annotation, defaults[name]) for name, annotation in annotations.items()}
        if outline.options is None:
            body = [_excused(_declared(name, *parts)) for name, parts in fields.items()]
            head = [*_opening(outline.doc, made.notes), *attribute_lines(attributes)]
            made.source = "\n".join([f"class {made.name}:", *head, *body])
        else:
            head = [*_opening(outline.doc, made.notes), *attribute_lines(attributes)]
            source = self._dataclass(made.name, outline.options, fields, head)
            made.source = "\n\n\n".join([*made.functions, source])

    def _attributes(self, made: WrittenClass) -> dict[str, Piece]:
        """Return the attributes that say of the table what the class of the program says."""
        cls, options = made.outline.cls, made.outline.attributes
        if cls is None:
            return {}
        table = table_name(cls) if options.name is None else options.name
        if snake_case(made.name) != table:
            # The name of the class is taken in the module.
            options = options._replace(name=table)
        return class_attributes(options, table, self.names)

    def _dataclass(
        self,
        name: str,
        options: Sequence[str],
        fields: Mapping[str, tuple[Piece, Piece | None]],
        head: Sequence[str],
    ) -> str:
        decorator = self.names.use("dataclasses", "dataclass")
        have_default = [default is not None for _, default in fields.values()]
        if "kw_only" not in options and have_default != sorted(have_default):
            # Positional fields without a default must come first; kw_only preserves the order of the columns.
            options = (*options, "kw_only")
        given = f"({', '.join([f'{option}=True' for option in options])})" if options else ""
        body = [_declared(field_name, *parts) for field_name, parts in fields.items()]
        return "\n".join([f"@{decorator}{given}", f"class {name}:", *head, *(body or ["    pass"])])

    def _made_by_type(
        self,
        made: WrittenClass,
        annotations: Mapping[str, Piece],
        defaults: Mapping[str, Piece | None],
        hostile: Sequence[str],
    ) -> str:
        attributes = {
            "__annotations__": mapped([(Piece(quoted(name)), written) for name, written in annotations.items()]),
            "__module__": Piece("__name__"),
            # A row is a dict, which needs no default None.
            **{name: default for name, default in defaults.items() if default is not None and default.head != "None"},
        }
        if made.outline.doc:
            attributes["__doc__"] = Piece(quoted(made.outline.doc))
        why = f"no attribute can be called {', '.join(map(quoted, hostile))}: made by type(), with dicts as rows"
        pairs = mapped([(Piece(quoted(name)), value) for name, value in attributes.items()])
        value = call(self.names.use("builtins", "type"), Piece(quoted(made.name)), Piece("()"), pairs)
        noted = [comment(note, prefix="# not kept: ") for note in made.notes]
        return "\n".join([comment(why), *noted, assigned(made.name, value)])

    # -- defaults ------------------------------------------------------------------------------

    def _default(self, spec: ColumnSpec, made: WrittenClass, *, alone: bool = False) -> Piece | None:
        """Return the default of a field; None for no default.

        Args:
            spec: the column.
            made: the class.
            alone: it is not a dataclass, regardless of its outline.
        """
        if spec.default is not UNSET and not is_made_by_database(spec.default):
            value = self.values.source(spec.default)
            return value if alone or made.outline.options is None else self._of_dataclass(spec, value, made)
        if spec.default_factory is not None:
            factory = factory_source(spec.default_factory, self.names)
            if factory is not None:
                return self._field(default_factory=Piece(factory))
            made.notes.append(f"the default_factory of {spec.name}, a function that has no name to import it by")
        return Piece("None") if spec.name in made.outline.nulls else None

    def _of_dataclass(self, spec: ColumnSpec, value: Piece, made: WrittenClass) -> Piece:
        if type(spec.default).__hash__ is None:
            # A dataclass refuses such a default; it is passed to create.
            function = self.names.define(f"{snake_case(made.name)}_{spec.attribute}_default")
            annotation = self.hints.column(dataclasses.replace(spec, foreign_key=None, field=None))
            made.functions.append(f"{_head(function, annotation)}\n{value.after('return ').lines('    ')}")
            made.defaults[spec.name] = call(function)
            return self._field(default_factory=Piece(function))
        is_call = value.flat.endswith(")")
        if is_call and not isinstance(spec.default, (Decimal, date, datetime, timedelta, str, bytes)):
            return self._field(default=value)
        return value

    def _field(self, **keywords: Piece) -> Piece:
        return call(self.names.use("dataclasses", "field"), **keywords)


def dataclass_options(cls: Any) -> tuple[str, ...]:
    """Return the options of a dataclass for its source."""
    params = cls.__dataclass_params__
    options = [name for name in ("frozen", "order") if getattr(params, name)]
    if "__slots__" in vars(cls):
        options.append("slots")
    if any(item.kw_only for item in cls.__dataclass_fields__.values()):
        options.append("kw_only")
    return tuple(options)


def _field_names(
    outlines: Sequence[Outline], nested: Sequence[type[Any]], localns: Mapping[str, Any] | None
) -> Iterator[str]:
    for outline in outlines:
        yield from [spec.attribute for spec in outline.columns]
    for kind in nested:
        if not issubclass(kind, Enum) and is_defined_here(kind):
            yield from [item.name for item in members_of(kind, localns)]


def _opening(doc: str, notes: Sequence[str]) -> list[str]:
    """Return the lines before the fields of a class."""
    written = docstring(doc, "    ")
    return [*([f"{written}\n"] if written else []), *[comment(note, "    ", "# not kept: ") for note in notes]]


def _declared(name: str, annotation: Piece, default: Piece | None) -> str:
    """Return the lines of a field."""
    opening = "" if default is None else f" = {default.head if default.items else '('}"
    if _is_union(annotation) and width(f"    {name}: {annotation.flat}{opening}") > WIDTH:
        start = f"    {name}: (\n{annotation.lines('        ')}\n"
        return start + ("    )" if default is None else default.after(") = ").lines("    "))
    if default is None:
        return annotation.after(f"{name}: ").lines("    ")
    too_long = width(f"    {name}: {annotation.flat} = {default.head}") > WIDTH
    if annotation.items and not annotation.optional and (not default.items or too_long):
        return annotation.before(f" = {default.flat}").after(f"{name}: ").lines("    ")
    return assigned(f"{name}: {annotation.flat}", default, "    ")


def _is_union(annotation: Piece) -> bool:
    return annotation.optional or (not annotation.items and " | " in annotation.flat)


def _head(function: str, annotation: Piece) -> str:
    """Return the first lines of a function without arguments."""
    start = f"def {function}() -> "
    if width(f"{start}{annotation.flat}:") <= WIDTH:
        return f"{start}{annotation.flat}:"
    if annotation.items and not annotation.optional:
        return annotation.after(start).before(":").lines()
    return f"{start}(\n{annotation.lines('    ')}\n):"


def _excused(line: str) -> str:
    """Exempt a default that is a list or dict from ruff's warning: it becomes a DEFAULT and is never shared."""
    first, _, rest = line.partition("\n")
    if not first.endswith(("[", "{", "= []", "= {}", "]", "}")) or " = " not in first:
        return line
    return f"{first}  # noqa: RUF012" + (f"\n{rest}" if rest else "")
