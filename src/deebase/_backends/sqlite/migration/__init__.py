"""What migrations know of SQLite: contents, locks, scratch databases, and what a schema has besides tables."""
