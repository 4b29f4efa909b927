"""Classes into tables: types, columns, DDL, and what a database says of itself. No I/O."""
