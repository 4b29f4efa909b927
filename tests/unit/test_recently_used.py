"""A bounded cache keeps what is used."""

from __future__ import annotations

from deebase._rows.recently_used import RecentlyUsed


def filled(size: int, entries: int, used: int | None = None) -> RecentlyUsed[int, str]:
    """Return a cache into which entries were put, with a look at one of them after each."""
    cache: RecentlyUsed[int, str] = RecentlyUsed(size)
    for n in range(entries):
        cache[n] = f"value {n}"
        if used is not None:
            assert cache[used] == f"value {used}"
    return cache


def test_a_missing_key_is_none_and_leaves_no_entry() -> None:
    cache = filled(10, 3)
    assert cache[99] is None
    assert len(cache) == 3


def test_an_entry_that_is_used_stays() -> None:
    assert filled(10, 1000, used=0)[0] == "value 0"


def test_the_newest_entries_stay() -> None:
    cache = filled(10, 1000)
    assert all(cache[n] == f"value {n}" for n in range(995, 1000))


def test_entries_that_are_not_used_are_forgotten() -> None:
    cache = filled(10, 1000, used=0)
    assert sum(cache[n] is not None for n in range(1, 1000)) <= 10


def test_clear_forgets_both_generations() -> None:
    cache = filled(10, 8)
    cache.clear()
    assert [cache[n] for n in range(8)] == [None] * 8
