"""The pages about the schema: definitions, migrations, and what the doctor finds."""
