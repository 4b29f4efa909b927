"""The types of the annotations that users write, as type checkers see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Optional, assert_type

from deebase.types import UNSET, ForeignKey, ForeignKeyMark, Index, JsonPath, Text, Unset, UTCDateTime


@dataclass
class Post:
    id: int
    author_id: ForeignKey[int, "user"]
    reviewer: ForeignKey[str, "user.email"]
    editor_id: ForeignKey[int, "user"] | None
    owner_id: Optional[ForeignKey[int, "user.id"]]  # noqa: UP045 - this test is about the older spelling
    parent_id: ForeignKey[int, "post", {"on_delete": "cascade"}]
    body: Text
    summary: Text | None
    created_at: UTCDateTime = field(default_factory=datetime.now)


post = Post(1, 2, "ada@example.com", None, 3, 4, "body", None)
assert_type(post.author_id, int)
assert_type(post.reviewer, str)
assert_type(post.editor_id, int | None)
assert_type(post.owner_id, int | None)
assert_type(post.parent_id, int)
assert_type(post.body, str)
assert_type(post.summary, str | None)
assert_type(post.created_at, datetime)

Post(1, "2", "ada@example.com", None, 3, 4, "body", None)  # type: ignore[arg-type]

assert_type(ForeignKeyMark("user.id", on_delete="cascade"), ForeignKeyMark)
assert_type(Index("ix", "a", "b", unique=True).columns, tuple[str | JsonPath, ...])


def narrowed(value: int | Unset) -> int:
    if value is UNSET:
        assert_type(value, Literal[Unset.UNSET])
        return 0
    assert_type(value, int)
    return value
