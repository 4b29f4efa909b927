"""The forms that values have outside of Python: those of other libraries, in files, and in the SQL of SQLite."""
