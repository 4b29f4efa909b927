"""Statements over related rows, groups and aggregates."""
