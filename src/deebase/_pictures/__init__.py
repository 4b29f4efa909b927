"""Diagrams of tables, and the display of tables, rows and queries in notebooks."""
