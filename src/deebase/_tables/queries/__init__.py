"""What a call of a table reads besides whole rows: related columns, expressions, groups."""
