"""Tools on top of the public API: backup, doctor, code generation, copies."""
