"""Records to column values, and driver rows to the rows of the caller."""
