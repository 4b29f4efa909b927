"""Errors as problem details (RFC 9457): a status, what went wrong, and where. They hold names, never values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from deebase import (
    BusyError,
    CheckViolationError,
    ConnectionError,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    NotFoundError,
    NotNullViolationError,
    QueryTimeoutError,
    ScopeError,
    TableNotFoundError,
    UniqueViolationError,
    ValidationError,
)
from deebase.web._rest.json_forms import written

PROBLEM: Final = "application/problem+json"
#: Seconds after which a client may try again.
RETRY_AFTER: Final = "1"
#: Faults of one request that are reported.
_MOST_FAULTS: Final = 100


#: Headers of every response. A row is for one user: no proxy keeps it for another one.
PROTECTION: Final = (("x-content-type-options", "nosniff"), ("cache-control", "private, no-cache"))


class Fault(NamedTuple):
    """One thing that is wrong with a request: a member of the body (a JSON Pointer), or a parameter of the URL."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def shown(self) -> dict[str, str]:
        """Return it as JSON."""
        place = {"pointer": self.pointer, "parameter": self.parameter}
        return {"detail": self.detail, **{name: value for name, value in place.items() if value is not None}}


class Reply(NamedTuple):
    """A response: its status, its body and its headers."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Problem(Exception):
    """A request that is answered with a problem.

    Attributes:
        status: of the response.
        detail: what is wrong.
        code: what is wrong, for programs.
        faults: where.
        headers: further headers.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        code: str,
        *,
        faults: Sequence[Fault] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.faults = tuple(faults)
        self.headers = headers

    def reply(self) -> Reply:
        """Return the response."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.faults:
            body["errors"] = [fault.shown() for fault in self.faults[:_MOST_FAULTS]]
        return Reply(self.status, written(body), (("content-type", PROBLEM), *self.headers))


class Faults(Problem):
    """A request with parameters or values that do not fit."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(422, "the request has values that do not fit", "invalid", faults=faults)


def not_found() -> Problem:
    """Return the problem of what does not exist, or is hidden from the user."""
    return Problem(404, "nothing is at this address", "not_found")


def pointer_to(*parts: str | int) -> str:
    """Return the JSON Pointer of a member (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


#: The first match wins.
_STATUSES: Final[Mapping[type[DeeBaseError], tuple[int, str, str]]] = {
    NotFoundError: (404, "not_found", "nothing is at this address"),
    ScopeError: (404, "not_found", "nothing is at this address"),
    TableNotFoundError: (404, "not_found", "nothing is at this address"),
    ValidationError: (422, "invalid", "a value does not fit"),
    NotNullViolationError: (422, "missing", "a value is missing"),
    CheckViolationError: (422, "check", "the values violate a condition of the table"),
    UniqueViolationError: (409, "unique", "a row with these values exists"),
    ForeignKeyViolationError: (
        409,
        "foreign_key",
        "a row that is referred to does not exist, or other rows refer to this one",
    ),
    IntegrityError: (409, "conflict", "the values conflict with other rows"),
    DataError: (422, "invalid", "a value does not fit"),
    BusyError: (503, "busy", "the database is busy"),
    ConnectionError: (503, "unavailable", "the database cannot be reached"),
    QueryTimeoutError: (504, "timeout", "the database did not answer in time"),
    InvalidOperationError: (403, "refused", "the database does not allow this"),
}


#: How the error of a call with many rows names the row, counted from 0.
_ROW: Final = re.compile(r"row ([0-9]+): ")


def problem_of(
    error: DeeBaseError, known: Collection[str], *, names_keys: bool = False, has_rows: bool = False
) -> Problem:
    """Return the problem that an error of the library is answered with.

    Args:
        error: the error.
        known: the columns that the client knows; the others are not named.
        names_keys: whether it says which foreign key of a new row leads nowhere. With a scope it must not: the first
            one that is wrong would tell that the rows before it exist.
        has_rows: whether the body is a list of rows.
    """
    found = next((_STATUSES[kind] for kind in _STATUSES if isinstance(error, kind)), None)
    if error.outcome == "unknown":
        return Problem(500, "it is unknown whether the change is stored", "unknown_outcome")
    if found is None and error.retryable:
        found = (503, "busy", "another change was in the way")
    if found is None:
        return Problem(500, "the server failed", "error")
    status, code, detail = found
    faults: list[Fault] = []
    if isinstance(error, ValidationError) and status != 404 and error.field in known:
        faults = [Fault(error.message, pointer=pointer_to(str(error.field)))]
    elif isinstance(error, IntegrityError) and (names_keys or not isinstance(error, ForeignKeyViolationError)):
        found_row = _ROW.match(error.message) if has_rows else None
        row = () if found_row is None else (int(found_row[1]),)
        places = [(*row, name) for name in error.columns if name in known] or ([row] if row else [])
        faults = [Fault(detail, pointer=pointer_to(*place)) for place in places]
    headers = (("retry-after", RETRY_AFTER),) if status == 503 else ()
    return Problem(status, detail, code, faults=faults, headers=headers)
