"""Upkeep of migrations: repair, history, backups, and a way out to Alembic."""
