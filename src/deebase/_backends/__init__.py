"""The databases: one package for each, with the same parts.

Code outside of this package does not use the name of a database: it checks a capability, or calls the backend.
"""

from __future__ import annotations

from deebase._backends.postgres import BACKEND as _POSTGRES
from deebase._backends.protocols import Backend
from deebase._backends.sqlite import BACKEND as _SQLITE
from deebase._sql import sql_rules as rules
from deebase._sqltext import capabilities
from deebase._sqltext.capabilities import Named

#: The supported databases.
BACKENDS = (_SQLITE, _POSTGRES)

_by_name = {backend.capabilities.name: backend for backend in BACKENDS}
for _name, _backend in _by_name.items():
    capabilities.register(_backend.capabilities)
    rules.register(_name, _backend.sql)


def backend_of(database: Named) -> Backend:
    """Return the backend of the database of a dialect."""
    return _by_name[database.name]
