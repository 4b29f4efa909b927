"""SQL text of users and its parameters: whole statements, and conditions in generated statements."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.placeholders import Scan, check_characters, scan
from deebase._sqltext.tokens import BLANK, UNCLOSED, Token, code_tokens, tokens
from deebase.errors import ValidationError


class _Native(NamedTuple):
    """SQL text with the placeholders of the driver, and the name or position of each parameter."""

    text: str
    order: tuple[str | int, ...]
    names: frozenset[str]


_STYLES = {list: "listed", tuple: "listed", dict: "named", type(None): "none"}


def bind_text(sql: str, params: Any, rules: TokenRules) -> tuple[str, list[Any]]:
    """Return a text with the placeholders of the driver, and the values in their order.

    Args:
        sql: a statement with ``?`` or ``:name``; ``??`` is a literal question mark.
        params: a sequence for ``?``, a mapping for ``:name``, or None.
        rules: the token rules of the database.

    Raises:
        ValidationError: the parameters are of the wrong kind or do not match the placeholders.
    """
    style = style_of(params)
    native = _native(sql, style, rules)
    if style == "named":
        values = _by_name(native.order, native.names, params, sql)
    else:
        values = [] if style == "none" else _by_position(len(native.order), params, sql)
    return native.text, values


def _style(params: Any) -> str:
    if isinstance(params, Mapping):
        return "named"
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return "listed"
    raise ValidationError(
        f"parameters are a list for ? or a dict for :name, not {type(params).__name__}",
        field="params",
        hint="wrap a single value in a list: [30]",
    )


@lru_cache(maxsize=1000)
def _native(sql: str, style: str, rules: TokenRules) -> _Native:
    found = _checked_scan(sql, style, rules)
    pieces, order = [found.pieces[0]], list[str | int]()
    numbers: dict[str, int] = {}
    for n, (hole, piece) in enumerate(zip(found.holes, found.pieces[1:], strict=True)):
        if (style == "named" and hole is None) or style == "none":
            mark = "?"
        elif hole is None or not rules.numbers_parameters:
            order.append(n if hole is None else hole)
            mark = f"${len(order)}" if rules.numbers_parameters else "?"
        else:
            if hole not in numbers:
                order.append(hole)
                numbers[hole] = len(order)
            mark = f"${numbers[hole]}"
        pieces += mark, piece
    return _Native("".join(pieces), tuple(order), frozenset(name for name in found.holes if name is not None))


def _checked_scan(sql: str, style: str, rules: TokenRules) -> Scan:
    """Return the scan of a text whose placeholders fit the style of its parameters."""
    found = scan(sql, rules)
    names = list(dict.fromkeys(hole for hole in found.holes if hole is not None))
    # A question mark may be an operator as well.
    has_marks = None in found.holes and not rules.has_question_operators
    if found.native is not None and (style != "none" or not rules.numbers_parameters):
        raise ValidationError(
            f"the placeholder {found.native} is not supported", field="params", hint="write ? or :name"
        )
    if style == "none" and names:
        raise ValidationError(
            f"no value is given for {_listed(names)}",
            field=names[0],
            hint=f"pass a dict after the text: {{{names[0]!r}: ...}}",
        )
    if style == "none" and has_marks:
        raise ValidationError(
            "no values are given for ?",
            field="params",
            hint="pass a list after the text: ('age > ?', [30]); ?? is a literal ?",
        )
    if style == "listed" and names:
        raise ValidationError(
            f"the text has {_listed(names)}, but the parameters are a list", field="params", hint="use a dict, or ?"
        )
    if style == "named" and has_marks:
        raise ValidationError(
            "the text has ?, but the parameters are a dict", field="params", hint="use a list, or :name"
        )
    return found


#: How other drivers write a parameter (PEP 249).
_PERCENT = re.compile(r"%s|%\([A-Za-z_]\w*\)s")


def _refuse_percent(text: str) -> None:
    foreign = _PERCENT.search(text)
    if foreign is not None:
        raise ValidationError(
            f"the placeholder {foreign.group()} is not supported",
            field="params",
            hint="write ? or :name, without quotes",
        )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(f":{name}" for name in names)


def _by_name(order: Iterable[Any], names: frozenset[str], params: Any, sql: str) -> list[Any]:
    # One comparison of sets in the usual case. A defaultdict must not create missing keys.
    if params.keys() != names:
        missing = [name for name in dict.fromkeys(order) if name not in params]
        if missing:
            raise ValidationError(
                f"no value is given for {_listed(missing)}", field=missing[0], hint="add it to the dict"
            )
        _refuse_percent(sql)
        extra = [name for name in params if name not in names]
        raise ValidationError(
            f"the text has no {_listed(extra)}", field=str(extra[0]), hint="remove it from the dict; ? takes a list"
        )
    return [params[name] for name in order]


def _by_position(expected: int, params: Any, sql: str) -> list[Any]:
    if len(params) != expected:
        _refuse_percent(sql)
        raise ValidationError(
            f"the text has {expected} placeholder(s), {len(params)} value(s) are given",
            field="params",
            hint="one value for each ?; for IN (...) write a ? for each of them",
        )
    return list(params)


def style_of(params: Any) -> str:
    """Return how parameters are given: "listed" for ?, "named" for :name, or "none".

    Raises:
        ValidationError: they are of another kind.
    """
    return _STYLES.get(type(params)) or _style(params)


class Template(NamedTuple):
    """A condition in SQL text, cut at the places of its values.

    Attributes:
        pieces: the text before, between and after the values.
        order: the name or the position of each value.
        names: the names of all values.
        compared: for each value, whether it stands alone on one side of a comparison.
        mark: what SQLAlchemy's compiler would take for a parameter, if the text holds it.
    """

    pieces: tuple[str, ...]
    order: tuple[str | int, ...]
    names: frozenset[str]
    compared: tuple[bool, ...]
    mark: str | None

    def values(self, sql: str, style: str, params: Any) -> list[Any]:
        """Return the values in their order.

        Raises:
            ValidationError: they do not match the placeholders, or the text holds a mark of the compiler.
        """
        values: list[Any] = []
        if style == "named":
            values = _by_name(self.order, self.names, params, sql)
        elif style == "listed":
            values = _by_position(len(self.order), params, sql)
        if self.mark is not None:
            raise ValidationError(
                f"a condition cannot hold '{self.mark}'", field="where", hint="pass the text as a parameter"
            )
        return values


@lru_cache(maxsize=1000)
def template(sql: str, style: str, rules: TokenRules, *, scoped: bool) -> Template:
    """Read a condition, once for each text.

    Args:
        sql: the condition.
        style: of its parameters, as of ``style_of``.
        rules: the token rules of the database.
        scoped: the handle has a scope.

    Raises:
        ValidationError: as ``bind_text`` and ``check_fragment``.
    """
    check_fragment(sql, rules, scoped=scoped)
    found = _checked_scan(sql, style, rules)
    pieces, order, compared = [found.pieces[0]], list[str | int](), list[bool]()
    alone = _compared(code_tokens(sql, rules))
    for n, (hole, piece) in enumerate(zip(found.holes, found.pieces[1:], strict=True)):
        if style == "none" or (style == "named" and hole is None):
            pieces[-1] += f"?{piece}"
        else:
            order.append(n if hole is None else hole)
            compared.append(alone[n])
            pieces.append(piece)
    marks = [mark for mark in ("%(", "__[POSTCOMPILE") if any(mark in piece for piece in pieces)]
    names = frozenset([name for name in found.holes if name])
    return Template(tuple(pieces), tuple(order), names, tuple(compared), marks[0] if marks else None)


_COMPARES = frozenset({"=", "<", ">", "<=", ">=", "<>", "!="})
_ENDS = frozenset({"", ")", ",", "AND", "OR"})


def _compared(found: Sequence[Token]) -> list[bool]:
    """Return for each placeholder whether the value before it determines its type: ``a > ?``, ``a IN (?, ?)``."""
    result: list[bool] = []
    lists: list[bool] = []
    for n, token in enumerate(found):
        before = found[n - 1].syntax if n else ""
        if token.text == "(":
            lists.append(before == "IN")
        elif token.text == ")" and lists:
            lists.pop()
        elif token.kind in ("mark", "named"):
            after = found[n + 1].syntax if n + 1 < len(found) else ""
            listed = before in ("(", ",") and bool(lists) and lists[-1]
            result.append(after in _ENDS and (before in _COMPARES or before in ("BETWEEN", "AND") or listed))
    return result


def check_fragment(sql: str, rules: TokenRules, *, scoped: bool = False) -> None:
    """Refuse a text condition that could reach outside of the parentheses around it.

    Args:
        sql: the condition.
        rules: the token rules of the database.
        scoped: the handle has a scope: comments are refused too.

    Raises:
        ValidationError: unbalanced quotes or parentheses, a semicolon, an open comment, a placeholder that is
            neither ? nor :name, a NUL, an empty text.
    """
    check_characters(sql)
    opened: list[str] = []
    empty = True
    for token in tokens(sql, rules):
        if not opened:
            _refuse_clause(token.word, first=empty)
        empty = empty and token.kind in BLANK
        _still_enclosed(token, opened, comments=not scoped)
        if token.kind == "native" or (token.kind == "escaped" and not rules.has_question_operators):
            raise _refused(f"the placeholder {token.text}")
    if opened or empty:
        raise _refused("an unbalanced parenthesis" if opened else "no text")


#: The first words of clauses, which both databases reserve, and the argument or call for each.
_CLAUSES = {
    "GROUP": "db.q(sa.select(...).group_by(...)) groups",
    "HAVING": "db.q(sa.select(...).having(...))",
    "LIMIT": "limit=20 and offset=40 are arguments of the call",
    "ORDER": "order_by='-age' is an argument of the call",
    "UNION": "db.q('SELECT ... UNION SELECT ...') takes whole statements",
}
_BEGINNINGS = {
    **dict.fromkeys(("SELECT", "INSERT", "UPDATE", "DELETE"), "db.q('SELECT ...') takes whole statements"),
    "WHERE": "omit the word: t('age > ?', [30])",
}


def _refuse_clause(word: str, *, first: bool) -> None:
    hint = _BEGINNINGS.get(word) if first else _CLAUSES.get(word)
    if hint is not None:
        raise ValidationError(f"{word} is not part of a condition", field="where", hint=hint)


def check_enclosed(sql: str, rules: TokenRules, *, value_of: str | None = None) -> None:
    """Refuse compiled text that could close the parentheses around it.

    Args:
        sql: a condition, or the new value of a column.
        rules: the token rules of the database.
        value_of: the column that it is assigned to; a comma would begin the next assignment.

    Raises:
        ValidationError: unbalanced quotes, parentheses or brackets, a semicolon, a comment.
    """
    opened: list[str] = []
    try:
        for token in tokens(sql, rules):
            _still_enclosed(token, opened, comments=False)
            if value_of is not None and not opened and token.text == ",":
                raise _refused("a comma outside of parentheses")
        if opened:
            raise _refused("an unbalanced parenthesis")
    except ValidationError as error:
        if value_of is None:
            raise
        raise ValidationError(
            error.message.replace("the condition", f"the expression for {value_of}"),
            field=value_of,
            hint="this handle has a scope: give one complete SQL expression, or use the handle without a scope",
        ) from None


_CLOSES = {")": "(", "]": "["}


def _still_enclosed(token: Token, opened: list[str], *, comments: bool) -> None:
    """Refuse a token that ends the enclosing text; update the parentheses and brackets that are open after it."""
    kind, text, _ = token
    if kind in UNCLOSED:
        raise _refused("an unclosed quote or comment")
    if kind == "comment" and not comments:
        raise _refused("a comment")
    if kind != "symbol":
        return
    if text == ";":
        raise _refused("a semicolon")
    if text in ("(", "["):
        opened.append(text)
    elif text in _CLOSES and (not opened or opened.pop() != _CLOSES[text]):
        raise _refused("an unbalanced parenthesis")


def _refused(what: str) -> ValidationError:
    return ValidationError(f"the condition has {what}", field="where", hint="write one condition, values as ?")
