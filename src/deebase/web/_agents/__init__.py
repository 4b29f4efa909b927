"""A door for agents: tools that read a database, and change what is named, over the Model Context Protocol."""
