"""`deebase tour`: the main operations on real data."""
