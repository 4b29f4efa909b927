"""The core of one Database, for the packages that build on Database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deebase._backends.error_translation import ExplainingTranslator
from deebase._engine.executor import Executor
from deebase._engine.reading_executor import ReadingExecutor
from deebase._model.catalog import Catalog
from deebase._sqltext.capabilities import Capabilities, capabilities_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from deebase._backends.protocols import Settings
    from deebase._lanes.limits import Limits


@dataclass(frozen=True)
class Core:
    """The parts of one Database.

    Attributes:
        executor: sends statements, in the transaction of the current task if one is open.
        catalog: its registered tables and views.
    """

    executor: Executor
    catalog: Catalog

    @classmethod
    def of(cls, settings: Settings, *, echo: bool, coalesce: bool, read_only: bool = False) -> Core:
        """Return the core of a new Database; nothing is opened yet."""
        if read_only:
            settings = settings.backend.reading(settings)
        catalog = Catalog(settings.dialect, lambda: executor.current_transaction())
        errors = settings.backend.translator(catalog.unique_columns)
        translator = ExplainingTranslator(errors, catalog.explained)
        kind = ReadingExecutor if read_only else Executor
        executor = kind(settings, translator, echo=echo, coalesce=coalesce)
        return cls(executor, catalog)

    @property
    def settings(self) -> Settings:
        """Where the database is, and how to connect to it."""
        return self.executor.settings

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect, which needs no connection."""
        return self.catalog.dialect

    @property
    def capabilities(self) -> Capabilities:
        """What the database can do."""
        return capabilities_of(self.dialect)

    def separate(self, executor: Executor | None = None) -> Core:
        """Return a core with the same connections and transactions, and an empty catalog.

        Args:
            executor: sends the statements instead; it shares the connections and transactions of this core.
        """
        executor = executor or self.executor
        return Core(executor, Catalog(self.dialect, executor.current_transaction))

    def reading(self, limits: Limits) -> Core:
        """Return a core with the same catalog that only reads, within limits, and on connections of its own."""
        return Core(ReadingExecutor.beside(self.executor, limits), self.catalog)

    def recording(self) -> AbstractContextManager[list[str]]:
        """Collect the SQL that this Database sends while the block runs, in order and without values."""
        return self.executor.recording()


class HasCore(Protocol):
    """An object with a core: a Database."""

    _core: Core


def core_of(db: HasCore) -> Core:
    """Return the core of a Database."""
    return db._core  # pyright: ignore[reportPrivateUsage]
