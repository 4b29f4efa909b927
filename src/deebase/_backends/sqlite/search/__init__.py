"""The full-text search of SQLite tables."""
