"""The functions and collations that the schema of a file uses: which it may call, and those of the application."""
