"""`deebase db`: the database as a whole."""

from __future__ import annotations

import click

from deebase.cli.frame import Group
from deebase.cli.info import info


@click.group(cls=Group, example="deebase db info")
def db() -> None:
    """Look at a database as a whole."""


db.add_command(info)
