"""Names that DeeBase makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from deebase._rows.model import ForeignKeyModel

#: PostgreSQL keeps so many bytes of a name and drops the rest (manual, "Identifiers and Key Words").
LONGEST = 63
#: How the names of indexes end that come with foreign keys.
_OF_KEY = "_fk"


def index_name(table: str, columns: Iterable[str]) -> str:
    """Return the name of an index that is given none."""
    return shortened(f"ix_{table}_{'_'.join(columns)}")


def foreign_key_index_name(table: str, columns: Iterable[str]) -> str:
    """Return the name of the index that comes with a foreign key; no other index has such a name by default."""
    return shortened(f"ix_{table}_{'_'.join(columns)}", LONGEST - len(_OF_KEY)) + _OF_KEY


def comes_with_key(name: str, columns: Sequence[str | None], keys: Iterable[ForeignKeyModel]) -> bool:
    """Whether an index is one that came with a foreign key; its columns may have been renamed since."""
    return name.startswith("ix_") and name.endswith(_OF_KEY) and any(key.columns == tuple(columns) for key in keys)


def serves(columns: Iterable[str], indexed: Iterable[Sequence[str | None]]) -> bool:
    """Whether rows are found by columns through a key or an index, which begins with them in any order."""
    wanted = set(columns)
    return any(set(names[: len(wanted)]) == wanted for names in indexed)


def shortened(name: str, longest: int = LONGEST) -> str:
    """Return a name that every database keeps whole: one that is too long ends in a hash of it.

    Example:
        ```python
        assert shortened("ix_user_email") == "ix_user_email"
        ```
    """
    written = name.encode()
    if len(written) <= longest:
        return name
    ending = f"_{hashlib.sha256(written).hexdigest()[:8]}"
    return written[: longest - len(ending)].decode(errors="ignore") + ending
