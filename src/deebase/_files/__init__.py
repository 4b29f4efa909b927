"""Files in and out: CSV, TSV, JSON and newline-delimited JSON, also packed by gzip or zip."""
