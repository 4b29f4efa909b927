"""What users hold: tables, views, queries, and everything that they do with rows."""
