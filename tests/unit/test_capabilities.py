"""What is asked of a database instead of its name."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy.dialects import postgresql, sqlite

from deebase._backends import BACKENDS, backend_of
from deebase._sqltext.capabilities import capabilities_of


def test_each_database_is_found_by_its_dialect() -> None:
    found = [capabilities_of(sqlite.dialect()), capabilities_of(postgresql.dialect())]  # type: ignore[no-untyped-call]
    assert found == [backend.capabilities for backend in BACKENDS]
    assert [one.is_one_file for one in found] == [True, False]


def test_a_backend_is_found_by_its_dialect() -> None:
    dialects = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]
    assert [backend_of(dialect) for dialect in dialects] == list(BACKENDS)


def test_the_backends_are_loaded_when_they_are_asked_for() -> None:
    code = (
        "from sqlalchemy.dialects import sqlite; from deebase._sqltext.capabilities import capabilities_of; "
        "assert capabilities_of(sqlite.dialect()).is_one_file"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
