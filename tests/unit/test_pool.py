"""How many handlers there are, for any sequence of what happens to them."""

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from calcd.listener.pool import Pool

ROOM = 20


class World:
    """Handlers as they are; the pool knows of them what it is told, and they do what it says."""

    def __init__(self, spare: int, connections_per_handler: float) -> None:
        self.pool = Pool(spare, connections_per_handler)
        self.count = connections_per_handler
        self.waiting: dict[int, float] = {}  # connections that are left to it
        self.serving: dict[int, float] = {}
        self.leaving: list[int] = []
        self._forked = 0

    def provide(self, is_wanted: bool) -> None:
        missing = self.pool.missing(ROOM - len(self.serving), is_wanted)
        for _ in range(missing):
            self._forked += 1
            self.waiting[self._forked] = self.count
            self.pool.forked(self._forked)
        if missing < 0:
            self.dismiss(-missing)

    def dismiss(self, handlers: int) -> None:
        before = set(self.pool.dismissed)
        self.pool.dismiss(handlers)
        for handler in self.pool.dismissed - before:
            del self.waiting[handler]
            assert self.pool.left(handler)

    def connect(self) -> None:
        self.provide(is_wanted=len(self.serving) < ROOM)
        if self.waiting:
            handler, left = self.waiting.popitem()
            self.serving[handler] = left
            self.pool.accepted(handler, 0, "")

    def close(self) -> None:
        if self.serving:
            handler, left = self.serving.popitem()
            leaves = left == 1
            self.pool.ended(handler, leaves)
            if leaves:
                self.leaving.append(handler)
            else:
                self.waiting[handler] = left - 1

    def end(self) -> None:
        while self.leaving:
            assert not self.pool.left(self.leaving.pop())

    def sweep(self) -> None:
        self.dismiss(self.pool.surplus())


STEPS: list[Callable[[World], None]] = [World.connect, World.close, World.end, World.sweep]


@given(
    st.integers(0, 8),
    st.integers(1, 3) | st.just(math.inf),
    st.lists(st.sampled_from(STEPS), max_size=200),
)
def test_there_are_never_more_than_there_is_room_for_and_a_connection_finds_one(
    spare: int, connections_per_handler: float, steps: list[Callable[[World], None]]
) -> None:
    world = World(spare, connections_per_handler)
    for step in steps:
        world.provide(is_wanted=False)
        served = len(world.serving)
        step(world)
        if step is World.connect:
            assert len(world.serving) == min(served + 1, ROOM)
        assert len(world.waiting) + len(world.serving) <= ROOM
        assert world.pool.waiting == set(world.waiting)
        assert set(world.pool) == {*world.waiting, *world.serving, *world.leaving}
        assert len(world.pool) == len(world.waiting) + len(world.serving) + len(world.leaving)


@given(st.integers(0, 8), st.integers(0, ROOM))
def test_those_that_nobody_needs_are_sent_away_and_the_spare_ones_stay(spare: int, connections: int) -> None:
    world = World(spare, math.inf)
    for _ in range(connections):
        world.connect()
    for _ in range(connections):
        world.close()
    for _ in range(10):
        world.sweep()
    world.provide(is_wanted=False)
    assert len(world.waiting) == spare or (connections < spare // 2 and len(world.waiting) <= spare)
    assert not world.pool.has_surplus()


def test_one_that_gets_a_connection_before_it_can_leave_serves_it_and_leaves() -> None:
    pool = Pool(0, math.inf)
    pool.forked(1)
    pool.dismiss(1)
    assert not pool.waiting
    assert pool.may_accept(1)
    pool.accepted(1, 0, "")
    assert not pool.may_accept(1)
    assert pool.missing(ROOM, is_wanted=True) == 1
    pool.ended(1, leaves=True)
    assert not pool.left(1)
    assert len(pool) == 0


def test_one_that_waits_for_a_proxys_header_is_replaced_and_waits_again_if_nothing_comes_of_it() -> None:
    pool = Pool(0, 1)
    pool.forked(1)
    assert not pool.awaits_header(1)
    pool.accepted(1, 0, None)
    assert (pool.awaits_header(1), pool.states()) == (True, (0, 1, 1))
    assert pool.missing(ROOM, is_wanted=True) == 1
    pool.waits_again(1)
    assert (pool.may_accept(1), pool.awaits_header(1), pool.states()) == (True, False, (1, 0, 0))
    pool.accepted(1, 0, "192.0.2.1")
    assert not pool.awaits_header(1)
    assert pool.connections == 1


def test_when_others_have_taken_the_room_so_many_are_sent_away() -> None:
    pool = Pool(8, 1)
    for handler in range(8):
        pool.forked(handler)
    assert pool.missing(3, is_wanted=False) == -5
    assert pool.missing(-1, is_wanted=True) == -8


def test_a_handler_that_serves_once_does_not_count_as_waiting_again_whatever_it_says() -> None:
    pool = Pool(1, 1)
    pool.forked(1)
    pool.accepted(1, 0, "")
    pool.ended(1, leaves=False)
    assert not pool.waiting
    assert list(pool) == [1]


def test_handlers_come_back_when_most_of_those_at_work_do() -> None:
    pool = Pool(4, math.inf)
    for handler in range(4):
        pool.forked(handler)
        pool.accepted(handler, 0, "")
    for coming, come_back in (
        ((), False),
        ((1, 1, 1), False),
        ((1, 2), False),
        ((1, 2, 3), True),
        ((), False),
    ):
        for handler in coming:
            pool.ended(handler, leaves=False)
            pool.accepted(handler, 0, "")
        assert pool.mostly_return() == come_back
    assert pool.unreplaced == 0


def test_who_has_come_back_and_left_is_lost_and_does_not_come_back() -> None:
    pool = Pool(0, 5)
    for handler in range(3):
        pool.forked(handler)
        pool.accepted(handler, 0, "")
        pool.ended(handler, leaves=False)
    pool.accepted(0, 0, "")
    pool.ended(0, leaves=True)
    pool.left(0)
    pool.left(1)  # killed while it waited
    pool.dismiss(1)
    pool.left(2)
    assert pool.unreplaced == 2
    assert not pool.mostly_return()
