"""What messages name as the next step, from Python and on the command line."""

from __future__ import annotations


def either(call: str, command: str) -> str:
    """Return a call of the API, and the command that does the same.

    Args:
        call: a method of the migrator, with its arguments: ``"down(to=3)"``.
        command: what stands behind ``deebase migrate``.
    """
    return f"await migrator.{call} or deebase migrate {command}"


def settling(name: str) -> str:
    """Return what says whether a half-done migration counts as applied.

    Args:
        name: of the migration.
    """
    applied = either(f"repair({name!r}, applied=True)", f"repair {name} --applied")
    again = either(f"repair({name!r}, applied=False)", f"repair {name} --not-applied")
    return f"{applied} counts it as applied, {again} has it run again"
