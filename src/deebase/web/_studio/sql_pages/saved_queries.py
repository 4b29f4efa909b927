"""Queries that people keep, in a file outside of the database, which a studio that only reads can write, too."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from deebase import InvalidOperationError, ValidationError

#: Queries of a file, characters of a name and of a text, and bytes of a file that is read.
MOST, LONGEST_NAME, LONGEST_TEXT, MOST_BYTES = 50, 60, 8_000, 4_000_000


def queries_file(database: str) -> Path:
    """Return the file in the user's configuration that keeps the queries of a database.

    Args:
        database: what tells it from others: its path or URL, without a password.
    """
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    plain = re.sub(r"[^A-Za-z0-9]+", "-", database.rpartition("/")[2])[:40].strip("-") or "database"
    return Path(base) / "deebase" / "queries" / f"{plain}-{sha256(database.encode()).hexdigest()[:16]}.json"


def code_of(name: str) -> str:
    """Return what stands for a name in an address, which it would make long."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class SavedQueries:
    """The queries of one database, by name.

    The file is small, and is read and written at once: no task of this program comes in between.

    Args:
        path: the file that keeps them; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, str]:
        """Return the texts by name.

        Raises:
            InvalidOperationError: the file cannot be read.
        """
        return self._read()

    def named_by(self, code: str) -> str | None:
        """Return the name that a code stands for; None if there is none."""
        return next((name for name in self._read() if code_of(name) == code), None)

    def keep(self, name: str, text: str) -> None:
        """Keep a query, in place of one of the same name.

        Raises:
            ValidationError: the name or the text is empty or too long, or there are too many queries.
            InvalidOperationError: the file cannot be read or written.
        """
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise ValidationError(
                f"the name of a query has 1 to {LONGEST_NAME} characters", field="name", hint="give it a short name"
            )
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise ValidationError(
                f"a query that is kept has 1 to {LONGEST_TEXT:,} characters", field="sql", hint="keep a shorter one"
            )
        found = self._read()
        if name not in found and len(found) >= MOST:
            raise ValidationError(f"{MOST} queries are kept already", field="name", hint="delete one first")
        self._write({**found, name: text})

    def forget(self, name: str) -> None:
        """Delete a query. A name that no query has is not an error.

        Raises:
            InvalidOperationError: the file cannot be read or written.
        """
        found = self._read()
        if found.pop(name, None) is not None:
            self._write(found)

    def _read(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as file:
                data: Any = json.loads(file.read(MOST_BYTES))
            found: Any = data["queries"]
            if not isinstance(found, dict):
                raise TypeError
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, LookupError) as error:
            raise self._refused("is not a file of saved queries") from error
        kept = cast("Mapping[Any, Any]", found)
        return {str(name): str(text) for name, text in kept.items()}

    def _write(self, queries: Mapping[str, str]) -> None:
        text = json.dumps({"queries": dict(sorted(queries.items()))}, ensure_ascii=False, indent=1)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Readable by the user alone, and complete or as it was before.
            descriptor, name = tempfile.mkstemp(prefix=".queries.", dir=self.path.parent)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                    file.write(text)
                os.replace(name, self.path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise self._refused(f"cannot be written: {error.strerror}") from error

    def _refused(self, what: str) -> InvalidOperationError:
        return InvalidOperationError(
            f"{self.path} {what}", operation="saved queries", hint="move the file away, and another one is made"
        )
