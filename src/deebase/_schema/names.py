"""Names that DeeBase makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

#: PostgreSQL keeps so many bytes of a name and drops the rest (manual, "Identifiers and Key Words").
LONGEST = 63


def index_name(table: str, columns: Iterable[str]) -> str:
    """Return the name of an index that is given none."""
    return shortened(f"ix_{table}_{'_'.join(columns)}")


def shortened(name: str) -> str:
    """Return a name that every database keeps whole: one that is too long ends in a hash of it.

    Example:
        ```python
        assert shortened("ix_user_email") == "ix_user_email"
        ```
    """
    written = name.encode()
    if len(written) <= LONGEST:
        return name
    ending = f"_{hashlib.sha256(written).hexdigest()[:8]}"
    return written[: LONGEST - len(ending)].decode(errors="ignore") + ending
