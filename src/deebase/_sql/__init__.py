"""Statements as SQLAlchemy Core expressions, compiled once per shape, and SQL of the user's own."""
