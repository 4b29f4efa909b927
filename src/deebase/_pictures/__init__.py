"""What people look at: diagrams of tables, and tables, rows and queries in notebooks."""
