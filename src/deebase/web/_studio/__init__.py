"""The studio: pages that show a database."""
