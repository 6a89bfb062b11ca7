"""Ways in which a planted bug asks storage, provider, bus or queue for something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from chalicelib.core.effects import Effect
from chalicelib.core.storage import WHATEVER, Check, Put, Write
from tests.crash.bugs import Planted, add
from tests.crash.gate import Bug, Perform, Request
from tests.crash.world import World

Change = Callable[[Write], Write | None]


def writes_changed(change: Change) -> Callable[[World], Bug]:
    """Every write passes through a change; None leaves it out."""

    def plant(_world: World) -> Bug:
        def bug(request: Request, perform: Perform) -> Any:
            if request.port != "write":
                return perform(request)
            changed = [new for old in request.what[0] if (new := change(old)) is not None]
            return perform(request.with_what(tuple(changed))) if changed else None

        return bug

    return plant


def is_put(write: Write, *kinds: str) -> TypeGuard[Put[Any]]:
    """Whether something of these kinds is saved."""
    return isinstance(write, Put) and write.key.kind.name in kinds


def unconditional(*kinds: str) -> Change:
    """Saves of these kinds ask for nothing."""
    return lambda write: replace(write, condition=WHATEVER) if is_put(write, *kinds) else write


def left_out(*kinds: str) -> Change:
    """Saves of these kinds are forgotten."""
    return lambda write: None if is_put(write, *kinds) else write


def unchecked(*kinds: str) -> Change:
    """Checks of these kinds are forgotten."""
    return lambda w: None if isinstance(w, Check) and w.key.kind.name in kinds else w


def of_state(*states: str) -> Callable[[Write], bool]:
    """Whether an effect is saved in one of these states."""
    return lambda write: is_put(write, "effect") and write.value.state in states


def effects_changed(change: Callable[[Effect], Effect], *states: str) -> Change:
    """Effects that are saved in these states are saved as something else."""
    fits = of_state(*states)

    def changed(write: Write) -> Write:
        if not (fits(write) and isinstance(write, Put)):
            return write
        return replace(write, value=change(write.value))

    return changed


def add_rewrite(name: str, sentence: str, cases: Sequence[str], change: Change) -> None:
    """Plant a bug that changes writes."""
    add(Planted(name, sentence, cases, plant=writes_changed(change)))


def add_behaviour(
    name: str, sentence: str, cases: Sequence[str], plant: Callable[[World], Bug]
) -> None:
    """Plant a bug that does something else with calls."""
    add(Planted(name, sentence, cases, plant=plant))


def forgetful(port: str, answer: Any = None) -> Callable[[World], Bug]:
    """Calls of a port are taken for made, and are not."""

    def plant(_world: World) -> Bug:
        return lambda request, perform: answer if request.port == port else perform(request)

    return plant


def unconditional_if(fits: Callable[[Write], bool]) -> Change:
    """Saves that fit ask for nothing."""
    return lambda w: replace(w, condition=WHATEVER) if isinstance(w, Put) and fits(w) else w
