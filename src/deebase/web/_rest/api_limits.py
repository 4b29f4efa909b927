"""The limits of the JSON API."""

from __future__ import annotations

from dataclasses import dataclass, fields

from deebase import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """What one request may ask for; each limit is a positive number.

    Attributes:
        page: rows of a page, unless the request asks for another number.
        max_page: rows of the largest page.
        bulk: rows of the largest insert.
        body: bytes of the largest body.
        url: bytes of the longest path with its query.
        values: values of one condition.
        count: rows that ``count=true`` counts; of more, it says that there are more.
        seconds: of time for the whole request.
    """

    page: int = 50
    max_page: int = 500
    bulk: int = 1000
    body: int = 1_048_576
    url: int = 8192
    values: int = 100
    count: int = 10_000
    seconds: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = (int, float) if field.name == "seconds" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
                raise ConfigurationError(f"{field.name} of Limits is a positive number", hint="Limits(max_page=200)")
        if self.page > self.max_page or self.max_page > _LARGEST_PAGE:
            raise ConfigurationError(
                f"page is at most max_page, and that at most {_LARGEST_PAGE}", hint="Limits(page=50, max_page=200)"
            )


#: Rows of the largest page of ``t.page``.
_LARGEST_PAGE = 10_000
