"""Ids sort by time, also within one millisecond and while a clock is set back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clock import SortableIds, now_ms


@given(moments=st.lists(st.integers(1, 2**47), min_size=1, max_size=50))
def test_each_id_is_greater_than_the_one_before(moments: list[int]) -> None:
    """Whatever the clock does: stand still, jump ahead or go back."""
    clock = iter(moments)
    ids = SortableIds(clock_ms=lambda: next(clock), random_bytes=lambda n: b"\x7f" * n)

    made = [ids() for _ in moments]

    assert made == sorted(set(made))
    assert {len(each) for each in made} == {32}
    assert made[0].startswith(f"{moments[0]:012x}")


def test_a_later_millisecond_has_random_bits_of_its_own() -> None:
    """Nobody can guess an id from the one before, but within a millisecond."""
    clock, chance = iter([5, 6]), iter([b"\x01" * 10, b"\x02" * 10])
    ids = SortableIds(clock_ms=lambda: next(clock), random_bytes=lambda _: next(chance))

    assert [ids(), ids()] == [f"{5:012x}{'01' * 10}", f"{6:012x}{'02' * 10}"]


def test_workers_of_one_process_never_make_the_same_id() -> None:
    """A thousand ids from eight threads at once."""
    ids = SortableIds(random_bytes=lambda n: b"\x00" * n)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: ids(), range(1_000)))

    assert len(set(made)) == 1_000
    assert int(max(made)[:12], 16) <= now_ms()
