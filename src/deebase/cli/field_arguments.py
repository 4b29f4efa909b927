"""The fields of `table create`: ``name:type[:modifier...]``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deebase.errors import UnsupportedTypeError, ValidationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from deebase.types import ForeignKeyMark

_FLAGS = ("unique", "nullable")
_VALUES = ("default", "fk", "check")
_TYPE = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?:\((?P<digits>\d{1,4}),\s*(?P<places>\d{1,4})\))?")
#: A colon that does not have a backslash before it.
_COLON = re.compile(r"(?<!\\):")


@dataclass
class FieldSpec:
    """One field.

    Attributes:
        name: of the column.
        type: the name of a column type.
        unique: no two rows have the same value.
        nullable: NULL is allowed.
        default: the text of the default; None for none.
        fk: the target of the foreign key.
        check: a condition in SQL.
        digits: of a decimal: how many it may have, and how many of them after the point.
    """

    name: str
    type: str
    unique: bool = False
    nullable: bool = False
    default: str | None = None
    fk: str | None = None
    check: str | None = None
    digits: tuple[int, int] | None = None
    given: list[str] = field(default_factory=lambda: list[str]())

    @property
    def annotation(self) -> Any:
        """What a class would say of the column."""
        from deebase._types.registry import type_named

        python = type_named(self.type)().annotation
        return python | None if self.nullable else python

    @property
    def default_value(self) -> Any:
        """The default as Python has it.

        Raises:
            ValidationError: the text is not a value of the type.
        """
        assert self.default is not None
        from deebase._types.registry import type_named

        kind = type_named(self.type)()
        try:
            return kind.parse(self.default)
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise ValidationError(
                f"the default of {self.name} is not {kind.wanted}", field=self.name, hint=f"such as {kind.example}"
            ) from None

    def checks(self, dialect: Dialect) -> list[str]:
        """Return the conditions that rows must fulfil, in SQL."""
        own = [] if self.check is None else [self.check]
        if self.digits is None:
            return own
        from deebase._types.decimals import digits_check

        digits, places = self.digits
        name = dialect.identifier_preparer.quote(self.name)
        return [*own, digits_check(name, digits, places, dialect)]

    @property
    def mark(self) -> ForeignKeyMark | None:
        """Where the column points."""
        from deebase.types import ForeignKeyMark

        return None if self.fk is None else ForeignKeyMark(self.fk)


def escaped(name: str) -> str:
    """Return a name as it stands in a field."""
    return name.replace(":", "\\:")


def unique_index(table: str, spec: FieldSpec) -> str:
    """Return the name of the index that keeps the values of a unique field apart."""
    return f"ux_{table}_{spec.name}"


def parse(text: str) -> FieldSpec:
    r"""Return the field that a text describes.

    A part that is not a modifier continues the value of the one before it, so that ``start:time:default=12:30`` is what
    it looks like; ``\:`` is a colon anywhere.

    Raises:
        ValidationError: the text has another form, or a modifier is unknown.
        UnsupportedTypeError: the type is unknown.
    """
    name, *rest = [part.replace("\\:", ":") for part in _COLON.split(text)]
    if not name or not rest:
        raise ValidationError(f"the field {text!r} is not of the form name:type", field=name or None, hint="age:int")
    kind, *modifiers = rest
    match = _TYPE.fullmatch(kind.lower())
    if match is None or not _is_type(match["name"]) or (match["digits"] and match["name"] != "decimal"):
        from deebase._types.registry import type_names

        raise UnsupportedTypeError(
            f"the field {name!r} has the unknown type {kind!r}",
            column_name=name,
            hint=f"one of {', '.join(type_names())}; decimal(10,2) has at most 10 digits, 2 of them after the point",
        )
    found = FieldSpec(name, match["name"])
    if match["digits"]:
        found.digits = int(match["digits"]), int(match["places"])
        _check_digits(found)
    for modifier in modifiers:
        _modify(found, modifier)
    return found


def _is_type(name: str) -> bool:
    from deebase._types.registry import type_named

    try:
        type_named(name)
    except KeyError:
        return False
    return True


def _check_digits(found: FieldSpec) -> None:
    digits, places = found.digits or (1, 0)
    # What PostgreSQL's NUMERIC takes (manual, "Numeric Types").
    if not (0 < digits <= 1000 and places <= digits):
        raise ValidationError(
            f"the field {found.name!r} has a number of digits that cannot be", field=found.name, hint="decimal(10,2)"
        )


def _modify(found: FieldSpec, modifier: str) -> None:
    word, separator, value = modifier.partition("=")
    if word in _FLAGS and not separator:
        setattr(found, word, True)
    elif word in _VALUES and separator:
        setattr(found, word, value)
        found.given.append(word)
    elif found.given:
        last = found.given[-1]
        setattr(found, last, f"{getattr(found, last)}:{modifier}")
    else:
        raise ValidationError(
            f"the field {found.name!r} has the unknown modifier {modifier!r}",
            field=found.name,
            hint="unique, nullable, default=V, fk=TABLE[.COLUMN], check=CONDITION",
        )
