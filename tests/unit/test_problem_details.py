"""Errors of the library as problems of the JSON API."""

from __future__ import annotations

import pytest

from deebase import errors
from deebase.web._rest.problem_details import problem_of

#: The statuses that a client is told; other errors are failures of the server.
STATUSES = {
    "NotFoundError": 404,
    "MultipleRowsError": 404,
    "ScopeError": 404,
    "TableNotFoundError": 404,
    "ValidationError": 422,
    "NotNullViolationError": 422,
    "CheckViolationError": 422,
    "DataError": 422,
    "UniqueViolationError": 409,
    "ForeignKeyViolationError": 409,
    "IntegrityError": 409,
    "BusyError": 503,
    "DeadlockError": 503,
    "SerializationError": 503,
    "ConnectionError": 503,
    "QueryTimeoutError": 504,
    "InvalidOperationError": 403,
}


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_has_a_status_and_shows_no_value(name: str) -> None:
    error = getattr(errors, name)("message of secret_column", hint="hint")
    problem = problem_of(error, ("title",))
    reply = problem.reply()
    assert reply.status == STATUSES.get(name, 500)
    assert b"secret_column" not in reply.body
    assert (("retry-after", "1") in reply.headers) is (reply.status == 503)


def test_a_column_is_named_if_the_client_knows_it() -> None:
    error = errors.UniqueViolationError("failed", columns=("title", "secret"))
    assert [fault.pointer for fault in problem_of(error, ("title",)).faults] == ["/title"]
    fault = problem_of(errors.ValidationError("title: too long", field="title", value="long"), ("title",)).faults[0]
    assert fault.shown() == {"detail": "title: too long", "pointer": "/title"}
    lost = errors.ConnectionError("lost")
    lost.outcome = "unknown"
    assert problem_of(lost, ()).code == "unknown_outcome"
