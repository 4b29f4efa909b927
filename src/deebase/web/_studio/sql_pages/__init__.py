"""The SQL page: what people ask in SQL, and the queries that they keep."""
