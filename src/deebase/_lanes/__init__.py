"""The connections that tasks borrow: their interface, the pool and its queue, and shielded work."""
