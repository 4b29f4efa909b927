"""Connections lent to tasks, whatever the database: the pool, its waiting tasks, and shielded work."""
