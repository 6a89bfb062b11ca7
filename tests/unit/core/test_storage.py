"""Values of storage by themselves: what was read twice, and what is written together."""

from __future__ import annotations

import pytest

from chalicelib.core.kinds import MESSAGE
from chalicelib.core.storage import (
    ABSENT,
    AtVersion,
    Check,
    Found,
    Put,
    Stored,
    merged,
)
from tests.unit.core.situations import NOW

ONE, TWO = MESSAGE.key("m-1"), MESSAGE.key("m-2")


def test_two_reads_are_joined_and_the_later_one_stands() -> None:
    """What both know is taken from the second."""
    first = Found({ONE: Stored({"source": "a"}, 1), TWO: Stored({"source": "b"}, 1)}, now=NOW)

    both = first.joined(Found({ONE: Stored({"source": "c"}, 2)}, now=NOW))

    assert (both.value(ONE), both.version(ONE)) == ({"source": "c"}, 2)
    assert both.value(TWO) == {"source": "b"}


def test_what_is_planned_twice_is_written_once() -> None:
    """The last value, under the condition of the first: what was read is what must still stand."""
    put = Put(ONE, {"source": "a"}, AtVersion(3), expires_at=NOW)
    again = Put(ONE, {"source": "b"}, AtVersion(1), expires_at=NOW + 1)
    other = Put(TWO, {"source": "c"})

    assert merged([put, other, again]) == (
        Put(ONE, {"source": "b"}, AtVersion(3), expires_at=NOW + 1),
        other,
    )


def test_a_put_and_a_check_of_one_thing_are_a_mistake() -> None:
    """Only puts can follow each other."""
    with pytest.raises(ValueError, match="two writes to one key"):
        merged([Check(ONE, ABSENT), Put(ONE, {})])
