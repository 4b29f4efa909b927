"""A stand-in for the t-strings of Python 3.14, on every Python."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import Any


@dataclass(frozen=True)
class Interpolation:
    """As ``string.templatelib.Interpolation``."""

    value: Any
    expression: str
    conversion: str | None
    format_spec: str


@dataclass(frozen=True)
class Template:
    """As ``string.templatelib.Template``."""

    strings: tuple[str, ...]
    interpolations: tuple[Interpolation, ...]


def tstring(text: str, **names: Any) -> Template:
    """Return what ``t"..."`` gives for a text, with the given names in its expressions."""
    strings, found = [""], list[Interpolation]()
    for literal, expression, spec, conversion in Formatter().parse(text):
        strings[-1] += literal
        if expression is not None:
            found.append(Interpolation(eval(expression, {}, names), expression, conversion, spec or ""))
            strings.append("")
    return Template(tuple(strings), tuple(found))
