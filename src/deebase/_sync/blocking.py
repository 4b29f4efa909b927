"""Objects of the library whose calls are not awaited."""

from __future__ import annotations

# What is wrapped may be of any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import inspect
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import wraps
from types import MethodType, TracebackType
from typing import Any, ClassVar, Self, TypeVar

from deebase import database
from deebase._engine.retry import Attempts, must_be_outermost
from deebase._sync.loop_runner import LoopRunner
from deebase.errors import DeeBaseError

T = TypeVar("T")

_local = threading.local()


class Blocking:
    """An object of the library: its calls run until they have finished, and return what the awaited calls return.

    Attributes:
        wraps: the classes of which this one wraps the instances, by name.
    """

    wraps: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, wrapped: Any, runner: LoopRunner) -> None:
        self._wrapped: Any = wrapped
        self._runner: LoopRunner = runner

    def _blocking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **keywords: Any) -> Any:
            return self._call(method, args, keywords)

        return call

    def _call(self, method: Callable[..., Any], args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Call a method of the library, wait for its end, and return what it gives."""
        _settle(self)
        value = method(*map(_awaitable, args), **{name: _awaitable(arg) for name, arg in keywords.items()})
        if inspect.isasyncgen(value):
            return self._runner.iterate(value)
        if inspect.iscoroutine(value):
            value = self._runner.run(value)
        return blocking(value, self._runner)

    def __repr__(self) -> str:
        return repr(self._wrapped)

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._wrapped) if not name.startswith("_")]

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if isinstance(value, MethodType):
            return self.__dict__.setdefault(name, self._blocking(value))
        return blocking(value, self._runner)


class Callables(Blocking):
    """A foreign key, which is called with a row."""

    wraps = frozenset({"Reference"})

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self._call(self._wrapped, args, keywords)


class Named(Blocking):
    """Objects by name: tables, views, and foreign keys."""

    wraps = frozenset({"Tables", "Views", "ForeignKeys"})

    def __getitem__(self, name: Any) -> Any:
        return blocking(self._wrapped[name], self._runner)

    def __contains__(self, name: object) -> bool:
        return name in self._wrapped

    def __iter__(self) -> Iterator[Any]:
        return (blocking(each, self._runner) for each in self._wrapped)

    def __len__(self) -> int:
        return len(self._wrapped)

    def __bool__(self) -> bool:
        return bool(self._wrapped)


class Readable(Blocking):
    """A table or a view."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self._call(self._wrapped, args, keywords)

    def __getitem__(self, key: Any) -> Any:
        return self._call(self._wrapped.__getitem__, (key,), {})

    def __contains__(self, key: Any) -> bool:
        found: bool = self._call(self._wrapped.exists, (key,), {})
        return found

    def __iter__(self) -> Iterator[Any]:
        _settle(self)
        return self._runner.iterate(self._wrapped().stream())


class Table(Readable):
    """A table."""

    wraps = frozenset({"Table"})


class View(Readable):
    """A view."""

    wraps = frozenset({"View"})


class Query(Blocking, Sequence[Any]):
    """The rows of a query: a sequence, which is read when it is first used, or before the next call."""

    wraps = frozenset({"Query", "SearchQuery"})

    def __init__(self, wrapped: Any, runner: LoopRunner) -> None:
        super().__init__(wrapped, runner)
        self._rows: Any = None
        self._error: BaseException | None = None
        _local.waiting = weakref.ref(self)

    def _read(self) -> Any:
        if self._error is not None:
            raise self._error
        if self._rows is None:
            _settle(self)
            self._rows = self._runner.run(_awaited(self._wrapped))
        return self._rows

    def settle(self) -> None:
        """Read the rows before another call changes them; an error is raised when the rows are used."""
        try:
            self._read()
        except DeeBaseError as error:
            self._error = error

    def __repr__(self) -> str:
        return repr(self._read())

    def _repr_html_(self) -> Any:
        return self._read()._repr_html_()

    def __len__(self) -> int:
        return len(self._read())

    def __getitem__(self, place: Any) -> Any:
        return self._read()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __contains__(self, row: object) -> bool:
        return row in self._read()

    def __eq__(self, other: object) -> bool:
        return bool(self._read() == (other._read() if isinstance(other, Query) else other))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Any) -> list[Any]:
        return [*self._read(), *other]

    def __radd__(self, other: Any) -> list[Any]:
        return [*other, *self._read()]

    def count(self, *args: Any, **keywords: Any) -> int:
        """Count the rows in the database; with a row, how often it is among those of the query."""
        if args:
            return list(self).count(*args)
        counted: int = self._call(self._wrapped.count, (), keywords)
        return counted


class Transaction(Blocking):
    """A transaction, a block of reads, or a block that acts for a tenant, for ``with``."""

    wraps = frozenset({"TransactionScope", "ReadingBlock", "ActingBlock"})

    def __enter__(self) -> Self:
        self._call(self._wrapped.__aenter__, (), {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        swallowed: bool | None = self._call(self._wrapped.__aexit__, (kind, error, traceback), {})
        return swallowed


class Migrator(Blocking):
    """The migrations of a database."""

    wraps = frozenset({"Migrator"})


class SchemaEditor(Blocking):
    """Changes of a table."""

    wraps = frozenset({"SchemaEditor"})


class TransformPlan(Blocking):
    """What a change of a table does."""

    wraps = frozenset({"TransformPlan"})


class Database(Blocking):
    """A database, for programs without an event loop; takes what ``deebase.Database`` takes.

    Example:
        ```python
        from deebase.sync import Database

        with Database("app.db") as db:
            users = db.create(User, if_not_exists=True)
            ada = users.insert(name="Ada")
            print(users(order_by="name", limit=10))
        ```
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(database.Database(*args, **options), LoopRunner())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, *, timeout: float = 10.0) -> None:
        """Close all connections, and the event loop of the calls; see ``Database.close``."""
        self._call(self._wrapped.close, (), {"timeout": timeout})
        self._runner.close()

    def retry(
        self,
        work: Callable[[], T],
        *,
        attempts: int = 5,
        isolation: Any = None,
        timeout: float | None = None,
    ) -> T:
        """Run a function in a transaction, and in a new one after a transient failure; see ``Database.retry``."""
        tries = Attempts(work, attempts, timeout)
        _settle(self)
        self._runner.run(_outermost(self._wrapped._core.executor))
        while True:
            try:
                with self.transaction(isolation=isolation):
                    return work()
            except DeeBaseError as error:
                time.sleep(tries.pause_after(error))


_KINDS: dict[str, type[Blocking]] = {
    name: kind
    for kind in (Table, View, Query, Transaction, Named, Callables, Migrator, SchemaEditor, TransformPlan)
    for name in kind.wraps
}


def blocking(value: Any, runner: LoopRunner) -> Any:
    """Return what a call gives: rows and values as they are, objects of the library with calls that block."""
    if type(value) in (list, tuple):
        return type(value)(blocking(each, runner) for each in value) if value and _kind_of(value[0]) else value
    kind = _kind_of(value)
    return value if kind is None else kind(value, runner)


def blocking_database(db: database.Database) -> Database:
    """Return a database with calls that block."""
    made = Database.__new__(Database)
    Blocking.__init__(made, db, LoopRunner())
    return made


def _kind_of(value: Any) -> type[Blocking] | None:
    for base in type(value).__mro__:
        if base.__name__ in _KINDS and base.__module__.partition(".")[0] == "deebase":
            return _KINDS[base.__name__]
    return None


def _awaitable(value: Any) -> Any:
    """Return what an argument wraps, as the awaited calls take it."""
    return vars(value)["_wrapped"] if isinstance(value, Blocking) else value


async def _outermost(executor: Any) -> None:
    must_be_outermost(executor)


async def _awaited(query: Awaitable[T]) -> T:
    return await query


def _settle(caller: Blocking) -> None:
    """Have the last query of this thread read its rows, so that the call that follows cannot change them."""
    waiting: weakref.ref[Query] | None = getattr(_local, "waiting", None)
    if waiting is None:
        return
    _local.waiting = None
    query = waiting()
    if query is not None and query is not caller:
        query.settle()
