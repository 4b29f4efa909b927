"""Writing migrations: drafts, and the steps that lead from one schema to another."""
