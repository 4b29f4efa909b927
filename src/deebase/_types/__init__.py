"""Column types: one object knows everything about one type."""
