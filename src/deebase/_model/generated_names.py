"""Names that DeeBase generates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from deebase._rows.model import ForeignKeyModel

#: PostgreSQL truncates names to this number of bytes (manual, "Identifiers and Key Words").
LONGEST = 63
#: The suffix of indexes of foreign keys.
_OF_KEY = "_fk"


def index_name(table: str, columns: Iterable[str]) -> str:
    """Return the default name of an index."""
    return shortened(f"ix_{table}_{'_'.join(columns)}")


def foreign_key_index_name(table: str, columns: Iterable[str]) -> str:
    """Return the name of the index of a foreign key; other indexes do not have such names by default."""
    return shortened(f"ix_{table}_{'_'.join(columns)}", LONGEST - len(_OF_KEY)) + _OF_KEY


def comes_with_key(name: str, columns: Sequence[str | None], keys: Iterable[ForeignKeyModel]) -> bool:
    """Whether an index was created for a foreign key; its columns may have been renamed since."""
    return name.startswith("ix_") and name.endswith(_OF_KEY) and any(key.columns == tuple(columns) for key in keys)


def serves(columns: Iterable[str], indexed: Iterable[Sequence[str | None]]) -> bool:
    """Whether a key or an index begins with these columns, in any order."""
    wanted = set(columns)
    return any(set(names[: len(wanted)]) == wanted for names in indexed)


def shortened(name: str, longest: int = LONGEST) -> str:
    """Return a name that no database truncates: a name that is too long is shortened and ends in a hash.

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
