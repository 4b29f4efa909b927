"""SQLite, by way of aiosqlite."""
