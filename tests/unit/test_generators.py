"""Finding the generator that keeps a block open over a yield, by the frames in which the block is opened."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from deebase._engine.generators import owner_of

#: The generator's name, and whether the block excludes the work of its consumer.
Told = tuple[str, bool] | None


class Block:
    """Tells its home when it is entered."""

    async def __aenter__(self) -> Told:
        home = owner_of(sys._getframe())
        return None if home is None else (home.frame.f_code.co_name, home.is_iterated)

    async def __aexit__(self, *_: object) -> None:
        return None


@contextlib.asynccontextmanager
async def unit() -> AsyncIterator[Told]:
    async with Block() as told:
        yield told


async def held() -> AsyncIterator[Told]:
    async with Block() as told:
        yield told


async def held_by_a_manager() -> AsyncIterator[Told]:
    async with unit() as told:
        try:
            raise ValueError
        except ValueError:
            for _ in range(2):
                yield told


async def held_in_a_loop() -> AsyncIterator[Told]:
    async with Block() as told:
        async for _ in ended():
            yield told


async def held_by_a_stack() -> AsyncIterator[Told]:
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(Block())


async def ended() -> AsyncIterator[Told]:
    async with Block() as told:
        try:
            await asyncio.sleep(0)
        except ValueError:
            raise TypeError from None
    yield told


async def ended_with_a_comprehension() -> AsyncIterator[Told]:
    async with Block() as told:
        assert len([each async for each in held()]) == 1
    yield told


async def ended_in_a_function() -> AsyncIterator[Told]:
    async def work() -> Told:
        async with Block() as told:
            return told

    yield await work()


async def test_a_loop_has_no_part_in_what_its_generator_holds() -> None:
    assert [told async for told in held()] == [("held", True)]
    assert [told async for told in held_by_a_manager()] == [("held_by_a_manager", True)] * 2
    assert [told async for told in held_in_a_loop()] == [("held_in_a_loop", True)]
    assert [told async for told in held_by_a_stack()] == [("held_by_a_stack", True)]


async def test_the_task_that_asks_for_an_item_takes_part() -> None:
    async with unit() as told:
        assert told == ("unit", False)
    rows = held()
    assert await anext(rows) == ("held", False)
    assert [each async for each in rows] == []
    rows = held()
    assert await asyncio.create_task(anext(rows)) == ("held", False)  # type: ignore[arg-type]
    assert [each async for each in rows] == []


@pytest.mark.parametrize("generator", [ended, ended_with_a_comprehension, ended_in_a_function])
async def test_a_block_that_ends_before_the_yield_has_no_home(generator: type) -> None:
    assert [told async for told in generator()] == [None]
    rows = generator()
    assert await anext(rows) is None
    assert [told async for told in rows] == []


async def test_the_body_of_a_loop_is_not_part_of_the_waiting_generator() -> None:
    async for _ in held():
        async with Block() as told:
            assert told is None
