"""Statements as SQLAlchemy Core expressions, compiled once per cache key, and the SQL of users."""
