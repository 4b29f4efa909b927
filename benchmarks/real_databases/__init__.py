"""Takes databases that others made through reflection, codegen, copies and migrations, and compares the results."""
