"""Rights of files, for programs of tests that run as another user."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def let_others_in(directory: Path) -> None:
    """Let programs of other users reach a directory below that of temporary files."""
    top = Path(tempfile.gettempdir())
    for place in (directory, *directory.parents):
        if (
            place.is_relative_to(top)
            and place.stat().st_uid == os.geteuid()
            and not place.stat().st_mode & stat.S_IXOTH
        ):
            place.chmod(0o755)
