"""A page of rows."""

# Annotations are not strings here: pydantic and the like resolve those of a class in the module that it names as its
# own, which is `deebase`.
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Page(Generic[R]):
    """A page of rows.

    Attributes:
        rows: the rows, in the order of the query.
        next: the cursor of the next page, to be given as ``after``; None at the end.
        previous: the cursor of the previous page; None at the beginning.
    """

    rows: list[R]
    next: str | None
    previous: str | None


Page.__module__ = "deebase"
