"""Builds of SQLite that are too old, or that have a known bug."""

from __future__ import annotations

from deebase.errors import ConfigurationError

Version = tuple[int, int, int]

#: The first and the last build with the bug, and those of older branches in which it is fixed (sqlite.org/wal.html).
_WAL_RESET_BUG: tuple[Version, Version] = ((3, 7, 0), (3, 51, 2))
_FIXED: tuple[Version, ...] = ((3, 44, 6), (3, 50, 7))


#: Older ones lack what reflection needs: PRAGMA table_list (sqlite.org/pragma.html#pragma_table_list).
_OLDEST_SQLITE: Version = (3, 37, 0)


def refuse_old_sqlite(version: Version) -> None:
    """Raise for a build of SQLite that lacks what DeeBase needs, before a statement fails for no visible reason.

    Raises:
        ConfigurationError: it is too old.

    Example:
        ```python
        refuse_old_sqlite((3, 37, 0))
        ```
    """
    if version < _OLDEST_SQLITE:
        found, needed = (".".join(map(str, one)) for one in (version, _OLDEST_SQLITE))
        raise ConfigurationError(
            f"this Python is linked with SQLite {found}, and {needed} is needed",
            hint="take a Python with a newer SQLite: python -c 'import sqlite3; print(sqlite3.sqlite_version)'",
        )


def wal_reset_notice(version: Version) -> str | None:
    """Return what to know of a build of SQLite whose WAL may lose commits; None for one without the bug.

    Two processes that checkpoint at the same time can meet it. Within one process DeeBase has one writer, which
    checkpoints.

    Example:
        ```python
        assert wal_reset_notice((3, 51, 3)) is None
        ```
    """
    first, last = _WAL_RESET_BUG
    is_fixed = any(version[:2] == good[:2] and version >= good for good in _FIXED)
    if not first <= version <= last or is_fixed:
        return None
    shown = ".".join(map(str, version))
    return (
        f"SQLite {shown} has a bug that can lose commits when several processes checkpoint one database at once; "
        "3.51.3, 3.50.7 and 3.44.6 do not"
    )
