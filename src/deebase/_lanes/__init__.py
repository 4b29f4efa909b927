"""Connections that are lent to tasks: their interface, the pool and its queue, and shielded work."""
