"""Changes of rows in the studio: forms, what a change does before it is applied, and the change in one transaction."""
