"""Everything in a PostgreSQL database except its rows, as SQL: one module for each group of objects."""

from deebase._backends.postgres.script.reading import Described, describe, read_script

__all__ = ["Described", "describe", "read_script"]
