"""Foreign keys: the rows on their other side, in navigation, in few statements for many rows, and in conditions."""
