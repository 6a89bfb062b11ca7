"""What the state machines share: calls that are about to come break, as Hypothesis says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hypothesis import strategies as st

from tests.crash.cases import MET
from tests.crash.gate import Mode
from tests.crash.world import Call, World

NUMBERS = st.integers(0, 50)
# Which of the calls that are about to come break, and how.
FAULTS = st.dictionaries(st.integers(1, 10), st.sampled_from(MET), max_size=3)


@contextmanager
def broken(world: World, faults: Mapping[int, Mode], who: Call) -> Iterator[None]:
    """Break these of the next calls, counted from 1; ``who`` acts where one is met or stalls."""
    made, gate = len(world.gate.passed), world.gate
    gate.faults = {made + number: mode for number, mode in faults.items()}
    world.meanwhile = who
    try:
        yield
    finally:
        gate.faults, world.meanwhile = {}, None
