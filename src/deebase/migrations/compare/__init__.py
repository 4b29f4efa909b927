"""Comparing schemas: what each holds, and what differs."""
