"""SQL as text: tokens, quoting, literals, placeholders and scripts. Imports only the errors of DeeBase."""
