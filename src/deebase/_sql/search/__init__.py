"""Search: the text that people type, the statements that find its rows, and the snippets that they show."""
