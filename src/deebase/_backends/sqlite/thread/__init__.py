"""What runs in the thread of a SQLite connection."""
