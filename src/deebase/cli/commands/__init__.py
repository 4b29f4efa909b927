"""The commands of `deebase`: one module per command group."""
