"""Support of migrations for SQLite: contents, locks, scratch databases, and the further parts of a schema."""
