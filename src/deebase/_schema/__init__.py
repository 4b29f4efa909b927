"""Reads and changes the schema: creating, altering and copying tables, views and reflection."""
