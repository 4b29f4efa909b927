"""Tables as plain values: from classes, and from what a database reports. No I/O."""
