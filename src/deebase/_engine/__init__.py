"""The executor, its transactions and its lanes: the only package that awaits a database."""
