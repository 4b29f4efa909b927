"""SQL as text: tokens, quoting and literals. Imports nothing of DeeBase but its errors."""
