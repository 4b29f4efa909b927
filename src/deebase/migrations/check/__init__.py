"""Checking migrations: lint, trial runs, and the guard against lost rows."""
