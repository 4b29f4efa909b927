"""Hints: the next step that messages name, in Python and on the command line."""

from __future__ import annotations


def either(call: str, command: str) -> str:
    """Return a call of the API and the equivalent command.

    Args:
        call: a method of the migrator, with its arguments: ``"down(to=3)"``.
        command: the words after ``deebase migrate``.
    """
    return f"await migrator.{call} or deebase migrate {command}"


def settling(name: str) -> str:
    """Return the calls that decide whether a half-done migration counts as applied.

    Args:
        name: the name of the migration.
    """
    applied = either(f"repair({name!r}, applied=True)", f"repair {name} --applied")
    again = either(f"repair({name!r}, applied=False)", f"repair {name} --not-applied")
    return f"{applied} counts it as applied, {again} has it run again"
