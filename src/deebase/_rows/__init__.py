"""Records into column values, and driver rows into what the caller wants."""
