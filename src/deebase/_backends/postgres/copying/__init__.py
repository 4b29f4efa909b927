"""PostgreSQL as the source or the target of a copy from or to another kind of database."""
