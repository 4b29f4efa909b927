"""Work of several calls, by DeeBase and by hand: parents of many rows, a large table, pages, a mixed load, a stream."""
