"""The former place of ``deebase.tools.copying``; importing from here warns, and ends with the next release."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deebase.tools.copying import CopiedTable as CopiedTable
    from deebase.tools.copying import CopyReport as CopyReport
    from deebase.tools.copying import copy_database as copy_database

__all__ = ["CopiedTable", "CopyReport", "copy_database"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'deebase.copying' has no attribute {name!r}")
    from deebase.tools import copying

    warnings.warn(f"import {name} from deebase.tools.copying", DeprecationWarning, stacklevel=2)
    return getattr(copying, name)
