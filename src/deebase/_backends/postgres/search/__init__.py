"""The full-text search of PostgreSQL tables."""
