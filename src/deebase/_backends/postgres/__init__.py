"""PostgreSQL, by way of asyncpg."""
