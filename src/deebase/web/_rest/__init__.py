"""A JSON API from tables: filters, pages, inserts, changes and deletes, with OpenAPI."""
