"""The flows as cases: what stands, what is asked for, and what must be as if nothing had broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from tests.crash.gate import FaultGate, Mode
from tests.crash.watched import WatchedStore
from tests.crash.world import World

BROKEN: tuple[Mode, ...] = ("crash", "lost", "error", "stall")
FLOWS = ("decide", "event", "silence", "drop", "act", "feedback", "redeem", "sweep",
         "unsubscribe", "erase")  # fmt: skip
MET: tuple[Mode, ...] = (*BROKEN, "meet")


@dataclass(frozen=True, slots=True)
class Case:
    """One flow to break.

    Attributes:
        name: how a replay names it.
        flow: which of the ten flows it is about; each has a case of its own name.
        build: makes the world in which everything is ready, and nothing was asked for yet.
        begin: puts into the queues what the flow begins with.
        same: kinds whose tables must equal, in normal form, those of the undisturbed run.
        check: what else must hold in the end; returns what does not.
        names: whether ids that are made from versions count when tables are compared.
        most_pairs: so many of its pairs at most, chosen by the seed, where all would take hours.
    """

    name: str
    flow: str
    build: Callable[[], World]
    begin: Callable[[World], None]
    same: Sequence[str] = ()
    check: Callable[[World], Sequence[str]] = lambda _world: ()
    names: bool = True
    most_pairs: int | None = None


@cache
def prepared(case_name: str) -> World:
    """A case's world, built once for each process; runs fork it."""
    return CASES[case_name].build()


def modes_of(case_name: str) -> tuple[Mode, ...]:
    """The modes in which a case is broken: only where somebody else is about can they meet."""
    return BROKEN if prepared(case_name).meanwhile is None else MET


def fresh(case: Case, gate: FaultGate, store: WatchedStore | None = None) -> World:
    """A world of a case behind a gate, with what it begins with."""
    world = prepared(case.name).fork(gate, store)
    case.begin(world)
    return world


CASES: dict[str, Case] = {}


def register(*cases: Case) -> None:
    """Add cases, each under a name of its own."""
    for case in cases:
        assert case.name not in CASES, case.name
        assert case.flow in FLOWS, case.flow
        CASES[case.name] = case
