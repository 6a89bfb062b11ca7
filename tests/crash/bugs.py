"""Planted bugs: each a plausible mistake with a sentence, and each must be found.

Most rewrite what a flow asks for at the gate; the others stand in for a named function while they
are planted. None of it is ever in shipped code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from tests.crash.gate import Bug
from tests.crash.world import World

Plant = Callable[[World], Bug]
Stand = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Planted:
    """One bug.

    Attributes:
        name: how a replay names it.
        sentence: what somebody did wrong.
        cases: where it is looked for first; elsewhere if it was not found there.
        plant: what stands at the gate; None when nothing does.
        stand: puts a stand-in in the place of a function; None when nothing is replaced.
    """

    name: str
    sentence: str
    cases: Sequence[str]
    plant: Plant | None = None
    stand: Stand | None = None


BUGS: dict[str, Planted] = {}


def add(bug: Planted) -> None:
    """Add a bug under a name of its own."""
    assert bug.name not in BUGS, bug.name
    BUGS[bug.name] = bug


@contextmanager
def planted(name: str | None, world: World) -> Iterator[None]:
    """Plant a bug for the length of a run."""
    if name is None:
        yield
        return
    bug = BUGS[name]
    if bug.plant is not None:
        world.gate.bug = bug.plant(world)
    with nullcontext() if bug.stand is None else bug.stand():
        yield


@contextmanager
def replaced(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """Something else under these names of modules or classes, and afterwards what was there."""
    with ExitStack() as stack:
        for owner, name, value in places:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
