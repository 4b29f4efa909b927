"""Migrations: numbered files that take a schema from step to step, and the ledger of what a database has.

```python
from deebase.migrations import Migrator

await Migrator(db, "migrations").up()
```
"""

from deebase.migrations.loading import Irreversible, irreversible
from deebase.migrations.migrator import Migrator
from deebase.migrations.runner import Step
from deebase.migrations.states import Status

__all__ = ["Irreversible", "Migrator", "Status", "Step", "irreversible"]
