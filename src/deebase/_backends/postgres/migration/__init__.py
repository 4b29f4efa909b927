"""What migrations know of PostgreSQL: contents, locks, scratch databases, and what a schema has besides tables."""
