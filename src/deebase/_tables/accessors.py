"""``db.t`` and ``db.v``: the tables and views of the catalog, by name."""

from __future__ import annotations

# Keys may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

from deebase._engine.context import table_context
from deebase._model.catalog import Catalog
from deebase._model.design import design
from deebase._schema.bind import bind
from deebase._tables.readable import Readable
from deebase._tables.table import Table
from deebase._tables.view import View
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._engine.core import Core
    from deebase._engine.executor import Executor


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


DC = TypeVar("DC", bound=_Dataclass)
Row = dict[str, Any]
H = TypeVar("H", bound=Readable[Any])


class _Accessor(Generic[H]):
    """Handles by name; ``H`` is the type of a handle."""

    _kind: ClassVar[type[Readable[Any]]]
    _views: ClassVar[bool]

    def __init__(self, core: Core) -> None:
        self._catalog: Catalog = core.catalog
        self._executor: Executor = core.executor
        self._handles: dict[str, Any] = {}

    def _handle(self, name: Any) -> Any:
        if not isinstance(name, str):
            raise ValidationError(f"the name of a table or view is a str, not {type(name).__name__}")
        if name not in self:
            raise self._catalog.unknown(name)
        model = self._catalog.model(name)
        handle = self._handles.get(name)
        if handle is None or handle.sa_table is not model.sa_table:
            handle = self._handles[name] = self._kind(table_context(self._executor, self._catalog, model))
        return handle

    def _attribute(self, name: str) -> Any:
        if name.startswith("_") and name not in self:
            raise AttributeError(name)
        return self._handle(name)

    def __contains__(self, name: object) -> bool:
        return name in self._catalog and self._catalog.is_view(str(name)) is self._views

    def __iter__(self) -> Iterator[H]:
        return (self._handle(name) for name in self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __dir__(self) -> list[str]:
        return self._names()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self._names()) or 'none; await db.reflect()'}>"

    def _names(self) -> list[str]:
        return self._catalog.names(views=self._views)


class Tables(_Accessor[Table[Any]]):
    """``db.t``: the tables of the catalog, by name or by class.

    A class that no table was created from is bound to the table of its name, as by ``db.bind``.

    Example:
        ```python
        users = db.t.user
        users, posts = db.t["user", "post"]
        known = "user" in db.t
        ```
    """

    _kind = Table
    _views = False

    def __getattr__(self, name: str) -> Table[Row]:
        found: Table[Row] = self._attribute(name)
        return found

    @overload
    def __getitem__(self, key: str) -> Table[Row]: ...

    @overload
    def __getitem__(self, key: tuple[str, ...]) -> tuple[Table[Row], ...]: ...

    @overload
    def __getitem__(self, key: type[DC]) -> Table[DC]: ...  # type: ignore[overload-overlap]

    @overload
    def __getitem__(self, key: type[object]) -> Table[Row]: ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return tuple([self[name] for name in key])
        if isinstance(key, type):
            name = self._catalog.name_of(key)
            if name is None:
                made = design(key, name=None, pk=None)
                bind(self._catalog, [made], "error")
                name = made.name
            return self._handle(name)
        return self._handle(key)


class Views(_Accessor[View[Any]]):
    """``db.v``: the views of the catalog, by name.

    Example:
        ```python
        adults = db.v.adult
        known = "adult" in db.v
        ```
    """

    _kind = View
    _views = True

    def __getattr__(self, name: str) -> View[Row]:
        found: View[Row] = self._attribute(name)
        return found

    @overload
    def __getitem__(self, key: str) -> View[Row]: ...

    @overload
    def __getitem__(self, key: tuple[str, ...]) -> tuple[View[Row], ...]: ...

    def __getitem__(self, key: Any) -> Any:
        return tuple([self._handle(name) for name in key]) if isinstance(key, tuple) else self._handle(key)

    def handle(self, name: str, *, key: str | None) -> View[Row]:
        """Return a view whose key is a column of it."""
        if key is not None:
            self._handle(name)
            self._catalog.model(name).column(key)
            self._catalog.set_key(name, key)
        found: View[Row] = self._handle(name)
        return found
