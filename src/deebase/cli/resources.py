"""Files of the project that the installed package needs: `docs/errors.md` and `examples/`."""

from __future__ import annotations

from pathlib import Path

import deebase

_PACKAGE = Path(deebase.__file__).parent


def resource(name: str) -> Path:
    """Return the path of a file: in the package where it is installed, in the repository in a checkout.

    Args:
        name: the path in the repository.
    """
    installed = _PACKAGE / "resources" / name
    return installed if installed.exists() else _PACKAGE.parents[1] / name
