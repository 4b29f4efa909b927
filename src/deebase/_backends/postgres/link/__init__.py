"""The link to a server: which hosts are tried, and how much may arrive."""
