"""Migrations: numbered files that take a schema from step to step, and the ledger of what a database has.

```python
from deebase.migrations import Migrator

await Migrator(db, "migrations").up()
```
"""

import importlib
from typing import TYPE_CHECKING, Any

from deebase.migrations.check.rules import Hazard
from deebase.migrations.chunks import chunked
from deebase.migrations.loading import Irreversible, irreversible
from deebase.migrations.migrator import Migrator
from deebase.migrations.runner import Step
from deebase.migrations.status import Status

if TYPE_CHECKING:
    from deebase.migrations.check.trial_run import Finding
    from deebase.migrations.compare.changes import Difference

__all__ = [
    "Difference",
    "Finding",
    "Hazard",
    "Irreversible",
    "Migrator",
    "Status",
    "Step",
    "chunked",
    "irreversible",
]

#: Resolved when they are used: they load Alembic, which a program that only applies migrations does not need.
_OF_COMPARISONS = {"Difference": "compare.changes", "Finding": "check.trial_run"}

for _class in (Hazard, Irreversible, Migrator, Status, Step):
    _class.__module__ = __name__


def __getattr__(name: str) -> Any:
    if name in _OF_COMPARISONS:
        value = getattr(importlib.import_module(f"deebase.migrations.{_OF_COMPARISONS[name]}"), name)
        value.__module__ = __name__
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
